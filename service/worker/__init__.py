"""The worker: claims jobs, analyses their videos, commits the results."""
