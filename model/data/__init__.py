"""Datasets on disk, and the clips that training takes from them."""
