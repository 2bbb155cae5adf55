"""The pages work without any other host."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import pytest


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_loads_nothing_from_elsewhere(running, path):
    page = running.http.get(path)
    assert page.status_code == 200
    loaded = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
    assert len(loaded) >= 3
    for address in loaded:
        assert "//" not in address, address
        assert running.http.get(urljoin(path, address)).status_code == 200, address


@pytest.mark.parametrize("path", ["/", "/docs", "/page/main.js", "/docs/start.js"])
def test_after_an_upgrade_no_old_script_is_left_in_a_browser(running, path):
    page = running.http.get(path)
    assert page.headers["cache-control"] == "no-cache"
    again = running.http.get(path, headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304 if "." in path else 200, "no-cache")


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_may_be_asked_whether_it_is_there(running, path):
    page = running.http.head(path)
    assert (page.status_code, page.content) == (200, b"")


def test_no_other_file_is_served(running):
    for path in ("/page/../app.py", "/page/%2e%2e/app.py", "/page/", "/docs/", "/page/..%2f..%2fapp.py"):
        assert running.http.get(path).status_code == 404, path


def test_the_description_of_the_api_is_served(running):
    assert "/analyze" in running.http.get("/openapi.json").json()["paths"]
