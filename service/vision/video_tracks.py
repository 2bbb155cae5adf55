"""Choose which video track of a file is analysed: the one with faces in its first seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from mien.contract.errors import BadMedia
from service.vision.decode_device import DecodeDevice
from service.vision.faces import FaceDetector
from service.vision.formats import Formats
from service.vision.frames import Limits, VideoReader, open_video
from service.vision.picture import SMALL_SIDE
from service.vision.sampling import Grid

_LOOK_S = 3.0
_EVERY_S = 0.5


@contextmanager
def open_track_with_faces(
    path: Path,
    limits: Limits,
    formats: Formats,
    *,
    detector: FaceDetector,
    start_s: float,
    device: DecodeDevice,
    on_passed: Callable[[], None],
) -> Iterator[tuple[VideoReader, list[str]]]:
    """Open the video track that shows most faces at the start of the requested part.

    Where several show as many, the container's own choice is taken, or the largest. `on_passed` is called now and then
    meanwhile: several tracks take long.

    Yields:
        The reader, and a sentence for users if there are other tracks.

    Raises:
        BadMedia, MemoryError, OSError: as `open_video`.
    """
    with ExitStack() as opened:
        video = opened.enter_context(open_video(path, limits, formats, device=device))
        if len(video.tracks) == 1:
            yield video, []
            return
        faces = dict.fromkeys(video.tracks, 0)
        for track in video.tracks:
            on_passed()
            try:
                with open_video(path, limits, formats, picture_side=SMALL_SIDE, track=track) as candidate:
                    faces[track] = _faces(candidate, detector, start_s, on_passed)
            except BadMedia:  # the others may be whole
                continue
        chosen = max(video.tracks, key=lambda track: (faces[track], track == video.track))
        if chosen != video.track:
            opened.close()
            video = opened.enter_context(open_video(path, limits, formats, track=chosen, device=device))
        why = "it shows most faces at the start" if faces[chosen] else "none shows a face at the start"
        warning = (
            f"The file has {len(faces)} video tracks, numbered from 0. Track {chosen} was analysed: {why}. "
            "To choose another, set the option track."
        )
        yield video, [warning]


def _faces(video: VideoReader, detector: FaceDetector, start_s: float, on_passed: Callable[[], None]) -> int:
    """Count the detected faces in some pictures of the first seconds."""
    grid = Grid([_EVERY_S], start_s)
    faces = 0
    for shown, _, again in grid.sampled(video.read(start_s, start_s + _LOOK_S, grid.falls_in, on_passed)):
        if not again:
            faces += sum(detection.sure for detection in detector(video.upright(shown.frame)))
            on_passed()
    return faces
