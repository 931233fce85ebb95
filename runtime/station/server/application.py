"""The ASGI application of a server."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ....errors import AlledgeError, HistoryError, SiteError, UsageError
from .access import AccessMiddleware
from .api import routes
from .pages import page_routes
from .request_parts import (
    on_alledge_error,
    on_history_error,
    on_site_error,
    on_upload_error,
    on_usage_error,
)
from .services import Services
from .uploads import UploadError


def application(services: Services) -> Starlette:
    """Return the application that answers for some services.

    Parameters
    ----------
    services : Services
    """

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await services.feed.start()
        try:
            yield
        finally:
            await services.feed.stop()

    app = Starlette(
        routes=[*page_routes(), *routes()],
        middleware=[Middleware(AccessMiddleware, rules=services.rules)],  # type: ignore[arg-type]
        exception_handlers={
            HistoryError: on_history_error,
            UsageError: on_usage_error,
            SiteError: on_site_error,
            AlledgeError: on_alledge_error,
            UploadError: on_upload_error,
            HTTPException: _on_http_error,
            Exception: _on_error,
        },
        lifespan=lifespan,
    )
    app.state.services = services
    return app


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = {"error": str(error.detail), "fix": "/openapi.json lists what can be asked"}
    return JSONResponse(body, error.status_code, headers=error.headers)


async def _on_error(request: Request, error: Exception) -> Response:
    body = {"error": f"{type(error).__name__}", "fix": "this is an error in alledge; report it"}
    return JSONResponse(body, 500)
