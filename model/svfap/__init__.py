"""Convert the checkpoints that the authors of SVFAP published."""
