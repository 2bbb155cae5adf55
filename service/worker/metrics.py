"""The worker's metrics, in Prometheus' base units; label values are bounded and never ids."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

ATTEMPTS = Counter("mien_worker_attempts", "Attempts at jobs by how they ended.", ["outcome"])
"""Outcomes: `succeeded`; `rejected`, because of the video or the options; `retried` and `exhausted`, after a failure;
`handed_back` and `lost`, which another worker takes over."""
LIVE = Gauge("mien_worker_live_analyses", "Live analyses under way.")
RUNNING = Gauge("mien_worker_jobs_running", "Running jobs.")
WAITING = Gauge("mien_worker_waiting", "Jobs and loops that wait for the queue or the store to work again.", ["part"])
WAIT_SECONDS = Histogram(
    "mien_worker_queue_wait_seconds",
    "Seconds from a job's acceptance to its first attempt.",
    buckets=(0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600),
)
STAGE_SECONDS = Histogram(
    "mien_worker_stage_seconds",
    "Wall-clock seconds of a job by stage.",
    ["stage"],
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
VIDEO_SECONDS = Counter("mien_worker_video_seconds", "Seconds of video analysed.")
DECODED = Counter("mien_worker_videos_decoded", "Videos by where they were decoded.", ["device"])
WINDOWS = Counter("mien_worker_windows", "Windows scored.")
BATCH_CLIPS = Histogram("mien_worker_batch_clips", "Clips in a batch.", buckets=(1, 2, 4, 8, 16, 32, 64))
BATCH_SECONDS = Histogram(
    "mien_worker_batch_seconds", "Seconds of inference of a batch.", buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
)
PROVIDER = Gauge("mien_worker_provider_info", "1 for the execution provider in use.", ["provider"])
