"""Datasets on disk, and training clips from them."""
