from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import av

from mien.contract.bundle import read_bundle
from service.vision import scene, tracks
from service.vision.clips import ClipSpec, Limits, read_clips
from service.vision.faces import FaceDetector, open_detector
from service.vision.frames import VideoReader
from service.vision.picture import FramePictures, Upright
from service.vision.yunet import YuNet
from service.worker.settings import DEFAULT_BUNDLE
from tests.bench.figures import Figure
from tests.bench.samples import looped

LIMITS = Limits(max_pixels=2**25, max_duration_s=3600, max_frames=10**6)
_REPEATS = 3

_PARTS: dict[str, tuple[Any, str]] = {
    "the small picture": (Upright, "small"),
    "YuNet": (YuNet, "__call__"),
    "optical flow": (tracks, "follow_face"),
    "crops": (FramePictures, "cut_out"),
    "how clearly a face is seen": (scene, "clarity"),
}
"""Functions that take much of the time, where they are called from; none of them calls another."""


def default_spec() -> ClipSpec:
    """Return the clips of the default bundle."""
    manifest, _ = read_bundle(DEFAULT_BUNDLE)
    return ClipSpec(
        frames=manifest.input.frames,
        interval_s=manifest.input.interval_s,
        size=manifest.input.size,
        margin=manifest.crop.margin,
        hop_s=manifest.hop_s,
    )


def run(folder: Path) -> Iterator[Figure]:
    """Measure the processor time from file to clips against decoding alone, and a whole analysis of one video."""
    for height, target in ((720, "≤ 1.5"), (360, "≤ 2")):
        yield from _against_decoding(looped(folder, 20, height), height, target)
    yield from _analyze(looped(folder, 60))


def _against_decoding(video: Path, height: int, target: str) -> Iterator[Figure]:
    """Measure the processor time for the default bundle's clips and for decoding alone, in turns in one process."""
    spec = default_spec()
    detector = open_detector(None)
    alone, clips = [], []
    seconds = 0.0
    for _ in range(_REPEATS):
        started = time.process_time()
        seconds = _decode(video)
        alone.append(time.process_time() - started)
        started = time.process_time()
        _find_clips(video, spec, detector)
        clips.append(time.process_time() - started)
    all_s, alone_s = statistics.median(clips), statistics.median(alone)
    yield Figure(f"{height}p, file to clips", seconds / all_s, "s of video/s and processor")
    yield Figure(f"{height}p, file to clips against decoding alone", all_s / alone_s, "times", target)
    for part, part_s in _profile(video, spec, detector).items():
        yield Figure(f"{height}p, of it {part}", part_s / alone_s, "times")


def _find_clips(video: Path, spec: ClipSpec, detector: FaceDetector) -> None:
    for _event in read_clips(video, [spec], detector=detector, limits=LIMITS, faces=8):
        pass


def _profile(video: Path, spec: ClipSpec, detector: FaceDetector) -> dict[str, float]:
    """Measure the processor seconds of each part of file to clips; what is left is tracking and Python itself."""
    taken: defaultdict[str, float] = defaultdict(float)

    def timed(part: str, function: Any) -> Any:
        def measured(*arguments: Any, **named: Any) -> Any:
            started = time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                taken[part] += time.thread_time() - started

        return measured

    def decoded(reader: VideoReader) -> Iterator[Any]:
        frames = decode(reader)
        while (frame := timed("decoding", next)(frames, None)) is not None:
            yield frame

    decode = VideoReader._decode
    whole_s, own_s = time.process_time(), time.thread_time()
    with ExitStack() as patched:
        patched.enter_context(mock.patch.object(VideoReader, "_decode", decoded))
        for part, (owner, name) in _PARTS.items():
            patched.enter_context(mock.patch.object(owner, name, timed(part, getattr(owner, name))))
        _find_clips(video, spec, detector)
    whole_s, own_s = time.process_time() - whole_s, time.thread_time() - own_s
    taken["decoding"] += whole_s - own_s  # the decoder's threads
    largest_first = dict(sorted(taken.items(), key=lambda one: -one[1]))
    return {**largest_first, "the rest": whole_s - sum(taken.values())}


def _decode(video: Path) -> float:
    """Decode a video on one thread; return the time of its last frame in seconds."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        last_s = 0.0
        for frame in container.decode(stream):
            last_s = frame.time or last_s
    return last_s


def _analyze(video: Path) -> Iterator[Figure]:
    mien = Path(sys.executable).with_name("mien")
    shares = []
    for _ in range(_REPEATS):
        answer = subprocess.run([mien, "analyze", "--local", "--json", video], capture_output=True, check=True)
        analysis = json.loads(answer.stdout)
        shares.append(analysis["timings_ms"]["total"] / 1000 / analysis["video"]["duration_s"])
    yield Figure("mien analyze --local, 720p, for a second of video", statistics.median(shares), "s")
