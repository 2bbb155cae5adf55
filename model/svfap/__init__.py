"""The checkpoints that the authors of SVFAP published."""
