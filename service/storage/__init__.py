"""Store uploads and results outside Redis."""
