"""A hook of MkDocs: links to files outside `docs/`, which the site does not have, are replaced by their names."""

from __future__ import annotations

import posixpath
import re
from typing import Any

_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>\.\./[^)#\s]+)(?:#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:  # noqa: ANN401 - MkDocs is no package of ours
    """Replace such links in a page by their text and the file's path in the repository."""
    folder = posixpath.dirname(page.file.src_uri)

    def plain(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", folder, link["target"]))
        if path.startswith("docs/"):
            return link[0]
        text = link["text"]
        return text if path in text else f"{text} (`{path}`)"

    return _LINK.sub(plain, markdown)
