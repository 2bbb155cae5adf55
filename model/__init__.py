"""The models behind the service: SVFAP's encoder, its heads, and the way from weights to a bundle."""

import service  # noqa: F401  # first, for it tells ONNX Runtime to keep to itself
