"""The gateway: accepts videos, queues them and returns the results. It decodes nothing and loads no model."""
