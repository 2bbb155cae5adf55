"""Where uploads and results lie, outside Redis."""
