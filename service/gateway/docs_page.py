"""`/docs`: the REST door described, from our own copy of Swagger UI."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

_SWAGGER = Path(__file__).parent / "web" / "swagger"


def add_docs_page(app: FastAPI) -> None:
    """Serve the page and what it loads."""
    app.mount("/docs/swagger", StaticFiles(directory=_SWAGGER))

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Mien: API",
            swagger_js_url="/docs/swagger/swagger-ui-bundle.js",
            swagger_css_url="/docs/swagger/swagger-ui.css",
            swagger_favicon_url="/docs/swagger/favicon-32x32.png",
        )
