"""Videos for benchmarks: those of `../shared/videos` looped where they are there, else the astronaut."""

from __future__ import annotations

from pathlib import Path

import av

from tests.videos import SHARED, face_video

_SAMPLES = {720: "talking_head.mp4", 360: "single_face.mp4"}  # by height in pixels


def looped(folder: Path, seconds: float, height: int = 720) -> Path:
    """Return a video of about this length with one face, a sample's packets over and over."""
    sample = SHARED / "videos" / _SAMPLES[height]
    if not sample.exists():
        sample = folder / f"sample{height}.mp4"
        if not sample.exists():
            face_video(sample, seconds=10, fps=30, size=(height * 16 // 9, height))
    target = folder / f"{height}p-{seconds:.0f}s.mp4"
    with av.open(str(target), "w") as output:
        stream = None
        offset = 0
        while True:
            with av.open(str(sample)) as source:
                video = source.streams.video[0]
                stream = stream or output.add_stream_from_template(video)
                span = video.duration or 0
                for packet in source.demux(video):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = stream
                    output.mux(packet)
            offset += span
            if offset * float(video.time_base or 0) >= seconds - 0.5:
                return target
