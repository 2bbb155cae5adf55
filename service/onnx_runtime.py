"""Import ONNX Runtime with its telemetry off: since 1.29 it sends data on models and machines to Microsoft on Linux."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

__all__ = ["onnxruntime"]
