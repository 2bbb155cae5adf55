"""Faces that nobody owns: rendered people whose expressions, dimensions and traits are known."""
