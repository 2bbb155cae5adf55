"""The worker: claims jobs, turns each video into scores, commits the result."""
