"""The page that `mien report` writes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from mien import __version__
from mien.cli.atomic import write_atomically
from mien.client.summary import summary_html
from mien.contract.results import Analysis

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Report of Mien: $title</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
section { border-top: 1px solid; padding-top: 1rem; margin-top: 2rem; break-inside: avoid; overflow-x: auto; }
h2 { overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }
svg { display: block; }
p svg { display: inline; }
</style>
</head>
<body>
<main>
<h1>$title</h1>
<p>A face shows how a person looks to others for a moment, and not what they feel, who they are, or whether they tell
the truth. Do not base decisions about people on it.</p>
$sections
<p><small>Written by Mien $version. Shares of time count each window for the time nearest to its centre;
“uncertain” is where no expression reaches 50 %.</small></p>
</main>
</body>
</html>
""")


def write_report(out: Path, analyses: Sequence[tuple[str, Analysis]]) -> None:
    """Write a page with a section for each video; the file appears when it is complete.

    Args:
        out: the file to write.
        analyses: the name of each video, and its analysis.
    """
    sections = (
        f"<section><h2>{escape(_printable(name))}</h2>{summary_html(analysis, width=900)}</section>"
        for name, analysis in analyses
    )
    title = Path(analyses[0][0]).name if len(analyses) == 1 else f"{len(analyses)} videos"
    page = _PAGE.substitute(title=escape(_printable(title)), sections="\n".join(sections), version=__version__)
    write_atomically(out, page)


def _printable(name: str) -> str:
    return name.encode(errors="surrogateescape").decode(errors="replace")
