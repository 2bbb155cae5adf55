"""Hostile and damaged videos through the confined child: `make fuzz`, or `python -m tests.attack.fuzz --seconds 600`.

Each must end with an answer or a documented refusal; no child may be lost, and neither the canary file nor the canary
port may be touched. A child per file is what a worker uses, so a lost child here is an attempt lost there.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mien.contract.errors import BadMedia
from service.vision.clips import ClipSpec, Limits
from service.worker.decode_child import Assignment, VideoPart
from service.worker.sandbox import Sandbox
from tests.attack.mutate import mutated
from tests.videos import scene, write_video

CONTAINERS = ("mp4", "mkv", "webm", "avi", "mov")
AT_ONCE = 2
_SPECS = (ClipSpec(frames=4, interval_s=0.1, size=16, margin=0.2, hop_s=0.2),)
_LIMITS = Limits(max_pixels=3840 * 2160, max_duration_s=3600, max_frames=2000)
_LONG_AGO = 1_000_000_000

Read = Callable[[Path], object]


class Canary:
    """A file and a port that nothing may touch: each hostile file names both."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "canary.mp4"
        self.file.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(1000))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.forget()

    def forget(self) -> None:
        """Reset."""
        os.utime(self.file, (_LONG_AGO, _LONG_AGO + 1))  # read after it was written: the access time changes

    def touched(self) -> list[str]:
        """Return what was touched since the reset."""
        found = ["file"] if self.file.stat().st_atime != _LONG_AGO else []
        try:
            self._listener.accept()[0].close()
        except BlockingIOError:
            return found
        return [*found, "port"]


def hostile(canary: Canary) -> Iterator[tuple[str, bytes]]:
    """Yield names and files that refer to the canary, in all forms and under all names."""
    url = f"http://127.0.0.1:{canary.port}/a"
    texts = {
        "concat": f"ffconcat version 1.0\nfile '{canary.file}'\nfile '{url}'\n",
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{canary.file}\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n",
        "mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><AdaptationSet><Representation '
        f'id="1" bandwidth="1"><BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>',
        "sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\n"
        f"m=video {canary.port} RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    }
    for kind, text in texts.items():
        for name in ("clip.mp4", "clip.mkv", "clip.m3u8", "clip.ffconcat", "clip.mpd", "clip.sdp", "clip"):
            yield f"{kind} as {name}", text.encode()
        yield f"{kind} behind an mp4's head", b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + text.encode()
    place = str(canary.file).encode()
    for kind, reference in ((b"url ", place + b"\0"), (b"alis", bytes(140) + place), (b"url ", url.encode() + b"\0")):
        yield f"a reference to data elsewhere ({kind.decode().strip()})", _elsewhere(kind, reference)


def _box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4, "big") + kind + content


def _elsewhere(kind: bytes, reference: bytes) -> bytes:
    """Return a MOV whose samples are in another file."""
    table = _box(b"dref", bytes(4) + b"\0\0\0\1" + _box(kind, bytes(4) + reference))
    described = _box(b"stsd", bytes(4) + b"\0\0\0\1" + _box(b"mp4v", bytes(6) + b"\0\1" + bytes(70)))
    sizes = _box(b"stsz", bytes(4) + b"\0\0\0\x40" + b"\0\0\0\1")
    chunks = _box(b"stco", bytes(4) + b"\0\0\0\1" + bytes(4)) + _box(b"stsc", bytes(4) + b"\0\0\0\1" + b"\0\0\0\1" * 3)
    times = _box(b"stts", bytes(4) + b"\0\0\0\1" + b"\0\0\0\1\0\0\0\x01")
    media = _box(
        b"minf", _box(b"vmhd", bytes(12)) + _box(b"dinf", table) + _box(b"stbl", described + sizes + chunks + times)
    )
    handler = _box(b"hdlr", bytes(8) + b"vide" + bytes(13))
    track = _box(
        b"trak", _box(b"mdia", _box(b"mdhd", bytes(12) + b"\0\0\0\x19\0\0\0\x19" + bytes(4)) + handler + media)
    )
    return _box(b"ftyp", b"qt  " + bytes(4) + b"qt  ") + _box(b"moov", track)


def bombs(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield small files that become large when decoded."""
    dark = np.zeros((16, 16, 3), np.uint8)
    yield (
        "frames of 8192 by 8192",
        write_video(folder / "p.mp4", [np.zeros((8192, 8192, 3), np.uint8)] * 2).read_bytes(),
    )
    yield "23 days in 3 frames", write_video(folder / "t.mkv", [dark] * 3, times=[0, 1_000_000, 2_000_000]).read_bytes()
    yield "too many frames", write_video(folder / "f.mp4", [dark] * 2500, fps=60).read_bytes()


@dataclass
class Seen:
    """The outcomes of the files of one kind."""

    codes: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def row(self, name: str) -> str:
        """Return a line of the table."""
        codes = ", ".join(f"{code} {count}" for code, count in self.codes.most_common(5))
        p50, p99 = (1000 * float(np.quantile(self.seconds, share)) for share in (0.5, 0.99))
        return f"{name:<10}{len(self.seconds):>7}{len(self.lost):>6}{p50:>9.0f}{p99:>9.0f}  {codes}"


class Fuzz:
    """Read files and count the outcomes."""

    def __init__(self, folder: Path, read: Read) -> None:
        self._folder = folder
        self._read = read
        self._numbers = iter(range(1 << 60))
        self._lock = threading.Lock()
        self.seen: dict[str, Seen] = {}

    def read(self, kind: str, name: str, content: bytes) -> None:
        """Read one file with the suffix of `name`."""
        with self._lock:
            path = self._folder / f"{next(self._numbers)}-{name.rsplit(' ', 1)[-1]}"
        path.write_bytes(content)
        began = time.perf_counter()
        lost = None
        try:
            self._read(path)
            code = "read"
        except BadMedia as error:
            code = error.code
        except Exception as error:
            code, lost = "lost", f"{name}: {error!r}"
        finally:
            path.unlink()
        with self._lock:
            seen = self.seen.setdefault(kind, Seen())
            seen.codes[code] += 1
            seen.seconds.append(time.perf_counter() - began)
            if lost is not None:
                seen.lost.append(lost)


@contextmanager
def confined() -> Iterator[Read]:
    """Yield a function that reads a file as a worker does."""
    sandbox = Sandbox(stall_s=60)
    sandbox.start()

    def read(path: Path) -> int:
        assignment = Assignment(VideoPart(path, 0.0, None), _SPECS, 8, None, _LIMITS, 1 << 30, 60)
        return sum(1 for _ in sandbox.decode(assignment, threading.Event()))

    yield read


def run(folder: Path, read: Read, *, seconds: float, most: int | None = None, seed: int = 1) -> list[str]:
    """Read clean, hostile and damaged files; print a table; return what went wrong."""
    clean = {ending: _clean(folder / f"clean.{ending}") for ending in CONTAINERS}
    canary = Canary(folder)
    fuzz = Fuzz(folder, read)
    wrong = []
    for ending, content in [*clean.items()] * 4:
        fuzz.read("clean", f"clip.{ending}", content)
    if set(fuzz.seen["clean"].codes) != {"read"}:
        wrong.append(f"clean files ended with {dict(fuzz.seen['clean'].codes)}")
    for name, content in (*hostile(canary), *bombs(folder)):
        fuzz.read("hostile", name, content)
        wrong += [f"{name} touched the canary's {what}" for what in canary.touched()]
        canary.forget()
    if "read" in fuzz.seen["hostile"].codes:
        wrong.append("a hostile file was read")
    until = time.monotonic() + seconds

    def damage(number: int) -> None:
        if time.monotonic() < until:
            ending = CONTAINERS[number % len(CONTAINERS)]
            fuzz.read("damaged", f"clip.{ending}", mutated(clean[ending], random.Random(f"{seed}-{number}")))

    with ThreadPoolExecutor(AT_ONCE) as threads:
        number = 0
        while time.monotonic() < until and (most is None or number < most):
            batch = range(number, number + 10 * AT_ONCE)
            list(threads.map(damage, batch))
            number = batch.stop
    wrong += [f"damaged files touched the canary's {what}" for what in canary.touched()]
    print(f"{'files':<10}{'read':>7}{'lost':>6}{'p50 ms':>9}{'p99 ms':>9}  how they ended")
    for kind, seen in fuzz.seen.items():
        print(seen.row(kind))
        wrong += [f"lost: {lost}" for lost in seen.lost]
    return wrong


def _clean(path: Path) -> bytes:
    codec = {"webm": "libvpx", "avi": "mpeg4"}.get(path.suffix[1:], "libx264")
    options = {"deadline": "realtime", "cpu-used": "8"} if codec == "libvpx" else {}
    write_video(path, scene([], seconds=0.5, fps=10, size=(96, 64)), fps=10, codec=codec, options=options)
    return path.read_bytes()


def main() -> int:
    """Run for a minute, or for `--seconds`."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mien-fuzz-") as folder, confined() as read:
        wrong = run(Path(folder), read, seconds=told.seconds, seed=told.seed)
    print("\n".join(wrong) or "nothing lost, nothing touched")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
