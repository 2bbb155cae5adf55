"""Train and export the models that the service runs: SVFAP's encoder with a head for each task."""

import service  # noqa: F401  # first: it configures ONNX Runtime before anything imports it
