"""Serve the web page at `/` and Swagger UI at `/docs`. Neither loads anything from other hosts."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

_WEB = Path(__file__).parent / "web"
# Browsers must revalidate, so that a page never runs with the scripts of another version.
_FRESH = {"Cache-Control": "no-cache"}


class _Files(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_FRESH)
        return response


def add_pages(app: FastAPI, *, upload_max_bytes: int) -> None:
    """Add the routes of the pages and of their scripts and styles."""

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(_WEB / "page" / "index.html", headers=_FRESH)

    @app.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    def docs() -> FileResponse:
        return FileResponse(_WEB / "docs" / "index.html", headers=_FRESH)

    @app.api_route("/page/limits.json", methods=["GET", "HEAD"], include_in_schema=False)
    def limits() -> JSONResponse:
        return JSONResponse({"upload_max_bytes": upload_max_bytes}, headers=_FRESH)

    for name in ("page", "docs"):
        app.mount(f"/{name}", _Files(directory=_WEB / name))
