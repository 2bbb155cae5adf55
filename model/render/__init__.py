"""Synthetic faces: rendered people whose expressions, dimensions and traits are known."""
