"""Read published dataset layouts: a dataset's folder → rows. One file for each family of layouts."""
