from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.bench.samples import looped


def run(folder: Path) -> None:
    """Seconds of work for a second of video, 720p with one face, `mien analyze --local` on the default bundle."""
    video = looped(folder, 60)
    mien = Path(sys.executable).with_name("mien")
    for _ in range(3):
        answer = subprocess.run([mien, "analyze", "--local", "--json", video], capture_output=True, check=True)
        analysis = json.loads(answer.stdout)
        duration = analysis["video"]["duration_s"]
        total, decode, inference = (analysis["timings_ms"][name] / 1000 for name in ("total", "decode", "inference"))
        print(
            f"{duration:.1f} s of video: {total:.1f} s in all, {decode:.1f} s of it waiting for decoding and "
            f"{inference:.1f} s for the model; {total / duration:.3f} s/s"
        )
