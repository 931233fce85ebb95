"""The files of the page: a fixed list, read once, so that no request names a file."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

STATIC = Path(__file__).resolve().parent / "static"
MESSAGES = Path(__file__).resolve().parent / "messages"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
LANGUAGES = ("en", "de", "fr")


def page_routes() -> list[Route]:
    """Return a route for each file of the page."""
    routes = [_route("/", STATIC / "index.html")]
    for path in sorted(STATIC.iterdir()):
        if path.suffix in TYPES and path.name != "index.html":
            routes.append(_route(f"/static/{path.name}", path))
    routes += [_route(f"/messages/{name}.json", MESSAGES / f"{name}.json") for name in LANGUAGES]
    return routes


def _route(url: str, path: Path) -> Route:
    content, kind = path.read_bytes(), TYPES[path.suffix]

    async def answer(request: Request) -> Response:
        return Response(content, media_type=kind, headers={"cache-control": "no-cache"})

    return Route(url, answer, methods=["GET"])
