"""The published layouts: a folder as its owners hand it out → rows. A file for each family."""
