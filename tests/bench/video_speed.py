from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import av

from mien.contract.bundle import read_bundle
from service.vision.clips import Clip, ClipSpec, Limits, read_clips
from service.vision.faces import open_detector
from service.worker.settings import DEFAULT_BUNDLE
from tests.bench.samples import looped

_LIMITS = Limits(max_pixels=2**25, max_duration_s=3600, max_frames=10**6)
_REPEATS = 3


def run(folder: Path) -> None:
    """Processor time from file to clips against decoding alone; seconds of work for a second of video in all."""
    for height in (720, 360):
        _against_decoding(looped(folder, 20, height), height)
    _analyze(looped(folder, 60))


def _against_decoding(video: Path, height: int) -> None:
    """Print the processor time for the default bundle's clips and for decoding alone, in turns in one process."""
    manifest, _ = read_bundle(DEFAULT_BUNDLE)
    spec = ClipSpec(
        frames=manifest.input.frames,
        interval_s=manifest.input.interval_s,
        size=manifest.input.size,
        margin=manifest.crop.margin,
        hop_s=manifest.hop_s,
    )
    detector = open_detector(None)
    alone, clips = [], []
    seconds, windows = 0.0, 0
    for _ in range(_REPEATS):
        started = time.process_time()
        seconds = _decode(video)
        alone.append(time.process_time() - started)
        started = time.process_time()
        windows = sum(
            isinstance(event, Clip) for event in read_clips(video, [spec], detector=detector, limits=_LIMITS, faces=8)
        )
        clips.append(time.process_time() - started)
    all_s, alone_s = statistics.median(clips), statistics.median(alone)
    print(
        f"{height}p, {seconds:.1f} s, {windows} clips: {all_s:.2f} s of processor time, {all_s / alone_s:.2f} times "
        f"that of decoding alone ({alone_s:.2f} s); {seconds / all_s:.1f} s of video a second and processor "
        f"(medians of {_REPEATS})"
    )


def _decode(video: Path) -> float:
    """Decode a video on one thread; return the time of its last frame in seconds."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        last_s = 0.0
        for frame in container.decode(stream):
            last_s = frame.time or last_s
    return last_s


def _analyze(video: Path) -> None:
    mien = Path(sys.executable).with_name("mien")
    for _ in range(_REPEATS):
        answer = subprocess.run([mien, "analyze", "--local", "--json", video], capture_output=True, check=True)
        analysis = json.loads(answer.stdout)
        duration = analysis["video"]["duration_s"]
        total, decode, inference = (analysis["timings_ms"][name] / 1000 for name in ("total", "decode", "inference"))
        print(
            f"{duration:.1f} s of video: {total:.1f} s in all, {decode:.1f} s of it waiting for decoding and "
            f"{inference:.1f} s for the model; {total / duration:.3f} s/s"
        )
