"""The endpoints of the camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .request_parts import small_json
from .uploads import UploadError

if TYPE_CHECKING:
    from ..camera.grabber import CameraGrabber


def camera_routes() -> list[Route]:
    """Return the endpoints."""
    return [
        Route("/v1/camera", status, methods=["GET"]),
        Route("/v1/camera/frame", frame, methods=["GET"]),
        Route("/v1/camera/grab", grab, methods=["POST"]),
    ]


async def status(request: Request) -> Response:
    """Return focus and exposure of the last frame."""
    return JSONResponse(_camera(request).status())


async def frame(request: Request) -> Response:
    """Return the last frame as a small JPEG."""
    jpeg = await run_in_threadpool(_camera(request).live_jpeg)
    if jpeg is None:
        raise UploadError(404, "the camera gives no frames")
    return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "no-store"})


async def grab(request: Request) -> Response:
    """Take a picture; its result comes with the events."""
    camera = _camera(request)
    await small_json(request)  # a form of another page cannot send one
    camera.grab()
    return JSONResponse({"status": "taken"}, 202)


def _camera(request: Request) -> CameraGrabber:
    camera: CameraGrabber | None = request.app.state.services.camera
    if camera is None:
        raise UploadError(404, "there is no camera", "alledge serve --camera 0")
    return camera
