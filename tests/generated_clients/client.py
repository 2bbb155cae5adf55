"""Analyse a video with what openapi-python-client generates from docs/openapi.json: `python client.py URL VIDEO`."""

import json
import sys
from pathlib import Path

from mien_client import Client
from mien_client.api.analyses import analyze_video, get_analysis, list_analyses
from mien_client.models import Analysis, HttpProblem, Page, State
from mien_client.types import File

url, video = sys.argv[1:]
with Client(base_url=url) as client, Path(video).open("rb") as file:
    sent = analyze_video.sync(client=client, body=File(payload=file), faces=2)
    assert isinstance(sent, Analysis)
    listed = list_analyses.sync(client=client, state=State.SUCCEEDED, limit=1)
    assert isinstance(listed, Page)
    missing = get_analysis.sync("none", client=client)
    assert isinstance(missing, HttpProblem)

found = {
    "state": sent.state,
    "labels": [face.expression.label for face in sent.faces],
    "newest": listed.analyses[0].id == sent.id,
    "code": missing.code,
}
print(json.dumps(found))
