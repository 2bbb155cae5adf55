"""Bundles: the folder that a worker serves."""
