"""The models behind the service: SVFAP's encoder, its heads, and the way from weights to a bundle."""
