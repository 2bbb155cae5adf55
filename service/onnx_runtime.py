"""Import ONNX Runtime with its telemetry off: since 1.29 it reports models and machines to its maker on Linux."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

__all__ = ["onnxruntime"]
