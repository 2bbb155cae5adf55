"""`/docs` works without any other host."""

from __future__ import annotations

import re


def test_the_docs_page_loads_nothing_from_elsewhere(running):
    page = running.http.get("/docs")
    assert page.status_code == 200
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) >= 3
    for address in loaded:
        assert address.startswith("/"), address
        assert running.http.get(address).status_code == 200, address


def test_the_description_of_the_api_is_served(running):
    assert "/analyze" in running.http.get("/openapi.json").json()["paths"]
