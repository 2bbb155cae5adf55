"""Skip decoding of frames that are not needed and that no other frame refers to, such as B-frames.

Only frames that are displayed before a frame that is decoded earlier are skipped. Whether a frame is needed depends on
how long it is displayed, so on the frame after it. Packets come in decoding order, so that frame is known only some
packets later. `look_ahead` decides; `FrameSkipper` tells the decoder, and finds out which frames the decoder did skip:
it still decodes those that others refer to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import av
from av.video.codeccontext import VideoCodecContext

Packet: TypeAlias = "av.Packet[Any]"

_AHEAD = 8  # packets; more reordering than that is rare, and its frames are then all decoded


def look_ahead(packets: Iterable[Packet], wanted: Callable[[float, float], bool]) -> Iterator[tuple[Packet, bool]]:
    """Yield each packet, and whether its frame is needed; in doubt it is.

    Where timestamps of decoding fall, as in joined recordings, all frames are needed from then on: the decoder still
    holds some from before, whose timestamps are higher than those of frames that are shown after them.

    Args:
        packets: of one stream, in decoding order.
        wanted: tells whether a frame on display between two timestamps, in seconds, is needed.
    """
    ahead: deque[Packet] = deque()
    passed: deque[int] = deque(maxlen=2 * _AHEAD)  # presentation timestamps
    latest: int | None = None  # timestamp of decoding
    begins_anew = False
    for packet in packets:
        ahead.append(packet)
        if packet.dts is not None:
            begins_anew = begins_anew or (latest is not None and packet.dts < latest)
            latest = packet.dts
        if begins_anew:
            yield ahead.popleft(), True
        elif len(ahead) > _AHEAD:
            yield _judged(ahead, passed, wanted)
    while ahead:
        yield (ahead.popleft(), True) if begins_anew else _judged(ahead, passed, wanted)


def _judged(ahead: deque[Packet], passed: deque[int], wanted: Callable[[float, float], bool]) -> tuple[Packet, bool]:
    packet = ahead.popleft()
    pts, base = packet.pts, packet.time_base
    if pts is None or base is None or packet.is_discard:
        return packet, True
    known = [*passed, *(other.pts for other in ahead if other.pts is not None)]
    latest = max(passed, default=pts)
    passed.append(pts)
    # Timestamps that only rise may be those of decoding; of two that are the same, a frame may come from either.
    if pts >= latest or pts in known:
        return packet, True
    following = min((other for other in known if other > pts), default=None)
    last = ahead[-1].dts if ahead else None
    if following is None or last is None or last < following:  # what comes later may be shown earlier
        return packet, True
    return packet, wanted(float(pts * base), float(following * base))


class FrameSkipper:
    """Tell a decoder which frames it may skip: none before the first frame that it puts out.

    Args:
        decoder: of the packets.
    """

    def __init__(self, decoder: VideoCodecContext) -> None:
        self._decoder = decoder
        self._candidates: dict[int, Packet] = {}  # by presentation timestamp
        self._last: int | None = None  # timestamp of the last frame that was put out
        self._skip(False)

    def prepare(self, packet: Packet | None, *, needed: bool) -> None:
        """Tell the decoder whether the next packet's frame is needed."""
        skips = not needed and self._last is not None
        if skips and packet is not None and packet.pts is not None:
            self._candidates[packet.pts] = packet
        if skips is not self._skipping:
            self._skip(skips)

    def before(self, frame: av.VideoFrame) -> list[Packet]:
        """Return the packets that gave no frame and are shown before this one, in the order of their display."""
        pts, last = frame.pts, self._last
        if pts is None:
            return []
        self._last = pts
        self._candidates.pop(pts, None)  # another refers to it
        if last is not None and pts < last:  # timestamps begin anew: nothing is known of what is left
            self._candidates.clear()
        return self._taken(candidate for candidate in self._candidates if candidate < pts)

    def rest(self) -> list[Packet]:
        """Return the packets that gave no frame at the end."""
        return self._taken(self._candidates)

    def _taken(self, passed: Iterable[int]) -> list[Packet]:
        return [self._candidates.pop(pts) for pts in sorted(passed)]

    def _skip(self, skips: bool) -> None:
        self._skipping = skips
        self._decoder.skip_frame = "NONREF" if skips else "DEFAULT"
