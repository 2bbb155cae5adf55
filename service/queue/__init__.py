"""The job queue on Redis Streams: an accepted job is never lost, its result is written exactly once."""
