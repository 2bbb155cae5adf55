"""`/`, the page, and `/docs`, the API by our own copy of Swagger UI: files, and nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

_WEB = Path(__file__).parent / "web"


def add_pages(app: FastAPI) -> None:
    """Serve the pages and what they load."""

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(_WEB / "page" / "index.html")

    @app.get("/docs", include_in_schema=False)
    def docs() -> FileResponse:
        return FileResponse(_WEB / "docs" / "index.html")

    for name in ("page", "docs"):
        app.mount(f"/{name}", StaticFiles(directory=_WEB / name))
