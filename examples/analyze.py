"""Analyse a video with the Python client, and print what each face shows.

    python analyze.py VIDEO [URL]

Needs `pip install .` in a checkout of Mien and a running service (`make run`).
"""

import sys

from mien import Mien

video = sys.argv[1]
url = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:8000"

with Mien(url) as mien:
    analysis = mien.analyze(video)

for face in analysis.faces:
    label = face.expression.label if face.expression else "none"
    print(f"Person {face.track + 1}: {label}, {face.start_s:.2f} s to {face.end_s:.2f} s, {len(face.timeline)} windows")
