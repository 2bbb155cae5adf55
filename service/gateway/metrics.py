"""The gateway's Prometheus metrics, in base units. Labels have few values: an id is never a label."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("mien_gateway_requests", "Requests by route, method and status.", ["route", "method", "status"])
REQUEST_SECONDS = Histogram(
    "mien_gateway_request_seconds",
    "Seconds from a request's headers to the end of its response.",
    ["route"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
UPLOADED_BYTES = Counter("mien_gateway_uploaded_bytes", "Bytes of video received.")
REFUSALS = Counter(
    "mien_gateway_refusals",
    "Uploads, live analyses, calls and connections refused because a limit is reached, by limit.",
    ["reason"],
)
"""The limits of one API key begin with `full_key_`, those of one address with `full_address_`."""
CALLBACKS = Counter("mien_gateway_callbacks", "Callbacks sent, by outcome.", ["outcome"])
QUEUE_DEPTH = Gauge("mien_queue_jobs", "Jobs that have not ended.")
QUEUE_AGE = Gauge("mien_queue_oldest_seconds", "Seconds since the oldest job that has not ended was accepted.")
WORKERS = Gauge("mien_workers", "Number of live workers.")
REDIS_USED = Gauge("mien_redis_used_bytes", "Bytes of memory that Redis uses.")
REDIS_MOST = Gauge("mien_redis_max_bytes", "Bytes of memory that Redis may use; 0 if there is no limit.")
TAKES = Gauge("mien_takes_writes", "Whether a part that gateways share (queue or store) accepts writes.", ["part"])
