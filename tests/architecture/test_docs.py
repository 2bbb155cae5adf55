"""The documentation: its links resolve and its code runs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path, PurePath
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = [
    PurePath(name)
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    if (ROOT / name).is_file()
]
PATHS = {path for file in FILES for path in (file, *file.parents)}
PAGES = [ROOT / file for file in FILES if file.suffix == ".md"]
OURS = re.compile(
    r"(mien|service|model|tests|docs|deploy|proto|examples)/|.*\.(py|lua|js|mjs|sh|proto|toml|ya?ml|onnx)$"
)
THEIRS = {"docker-compose.override.yml"}
LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)>\s]+)>?\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_exist(page: Path):
    broken = []
    for target in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_folders_that_are_named_exist(page: Path):
    text = page.read_text(encoding="utf-8")
    named = {name.rstrip("/") for name in re.findall(r"`([\w.][\w./*-]*)`", text) if OURS.match(name)}

    # Pages may leave out the first folders of a path.
    assert {name for name in named - THEIRS if not any(path.match(name) for path in PATHS)} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_make_has_the_targets_that_are_named(page: Path):
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`make ([a-z0-9-]+)", text) + re.findall(r"^make ([a-z0-9-]+)", text, re.MULTILINE)

    assert set(named) <= set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_the_runbook_of_every_alert_is_a_heading():
    rules = yaml.safe_load((ROOT / "deploy/watch/prometheus/rules.yml").read_text(encoding="utf-8"))
    alerts = [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]
    assert alerts

    broken = []
    for alert in alerts:
        page, _, anchor = alert["annotations"]["runbook"].partition("#")
        if not (ROOT / page).is_file() or anchor not in anchors(ROOT / page):
            broken.append(alert["alert"])
    assert broken == []


def test_the_site_lists_pages_that_exist():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r"[\w/]+\.md", str(yaml.safe_load(text)["nav"]))
    assert [page for page in listed if not (ROOT / "docs" / page).is_file()] == []


def test_the_site_names_files_that_it_does_not_have():
    hook: dict = {}
    exec((ROOT / "docs" / "site.py").read_text(encoding="utf-8"), hook)
    page = SimpleNamespace(file=SimpleNamespace(src_uri="decisions/0001.md"))

    shown = hook["on_page_markdown"]("[code](../../mien/cli/app.py) and [guide](../api.md#keys)", page)

    assert shown == "code (`mien/cli/app.py`) and [guide](../api.md#keys)"


def test_the_pandas_of_the_guide_runs(tmp_path, monkeypatch):
    (tmp_path / "results").mkdir()
    frame = pd.DataFrame(
        {
            "file": ["a", "a", "a"], "person": [1, 1, 1], "quality": [0.9, 0.9, 0.1], "note": [None] * 3,
            "expression": ["happiness", "neutral", "fear"], "happiness": [0.9, 0.1, 0], "valence": 0.5, "arousal": 0.1,
        }
    )  # fmt: skip
    frame.to_csv(tmp_path / "results" / "a.csv", index=False)
    pd.DataFrame({"file": ["b"], "note": ["no face found"], "quality": [None]}).to_csv(
        tmp_path / "results" / "b.csv", index=False
    )
    monkeypatch.chdir(tmp_path)
    guide = (ROOT / "docs" / "researchers.md").read_text(encoding="utf-8")
    code = re.search(r"### pandas\n\n```python\n(.*?)```", guide, re.DOTALL)[1]

    names: dict = {}
    exec(code, names)

    assert len(names["windows"]) == 2
    assert names["people"]["happiness"]["mean"].to_list() == [0.5]
    assert names["shares"].loc["a"].to_dict() == {"happiness": 0.5, "neutral": 0.5}
