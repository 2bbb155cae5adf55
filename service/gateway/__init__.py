"""The gateway: takes videos in, queues them, and gives the answers. Knows nothing of decoding or models."""
