"""Train and export the models that the service runs: SVFAP's encoder with a head for each task."""
