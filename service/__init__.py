"""Mien's service: a video in, what its faces show over time out."""

import os

# Unless this is set before it is loaded, ONNX Runtime (since 1.29, on Linux) tells its maker of models and machines.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
