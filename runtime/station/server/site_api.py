"""The endpoints of the site: what was checked, adopting, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..adopting import BusyError
from .request_parts import error_answer, small_json

if TYPE_CHECKING:
    from ..adopting import Adopting


def site_routes() -> list[Route]:
    """Return the endpoints."""
    return [
        Route("/v1/site", show, methods=["GET"]),
        Route("/v1/sites/{name}/adopt", adopt, methods=["POST"]),
        Route("/v1/sites/{name}/revert", revert, methods=["POST"]),
    ]


async def show(request: Request) -> Response:
    """Return the site, what people have checked, and the adoption that runs or ran last."""
    return JSONResponse(await run_in_threadpool(_adopting(request).document))


async def adopt(request: Request) -> Response:
    """Begin to adopt from what people have checked; ``/v1/site`` has the outcome."""
    return await _change(request, _adopting(request).start, 202)


async def revert(request: Request) -> Response:
    """Take the version before the one in use into use."""
    return await _change(request, _adopting(request).revert, 200)


async def _change(request: Request, change: Callable[[str], None], status: int) -> Response:
    await small_json(request)  # a form of another page cannot send one
    try:
        await run_in_threadpool(change, request.path_params["name"])
    except BusyError:
        return error_answer(409, "an adoption runs already", "wait until it has ended")
    return JSONResponse(await run_in_threadpool(_adopting(request).document), status)


def _adopting(request: Request) -> Adopting:
    adopting: Adopting = request.app.state.services.adopting
    return adopting
