"""Mien's service: the gateway, the worker and what they share. An application, run from a checkout or an image."""
