"""Mien's service: a video in, what its faces show over time out."""
