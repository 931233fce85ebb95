"""Reads the parameters and small bodies of requests, and makes the answers to wrong ones."""

from __future__ import annotations

import json
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ....errors import AlledgeError, HistoryError, SiteError, UsageError
from ..history.queries import EntryQuery
from ..history.times import utc_text
from .uploads import UploadError

LARGEST_PAGE, USUAL_PAGE = 200, 50  # rows of an answer
SMALL_BODY = 4096  # bytes of a verdict or a login
SMALL_TIMEOUT_S = 10.0
STATUSES = ("ok", "review", "error", "foreign")


async def on_history_error(request: Request, error: Exception) -> Response:
    """Answer while the history cannot be read or written; nothing was recorded."""
    assert isinstance(error, HistoryError)
    return error_answer(503, error.what, error.fix or "", retry_after_s=30, close=True)


async def on_usage_error(request: Request, error: Exception) -> Response:
    """Answer a request that names what does not exist."""
    assert isinstance(error, UsageError)
    return error_answer(
        422, error.what, error.fix or (f"allowed: {error.allowed}" if error.allowed else "")
    )


async def on_site_error(request: Request, error: Exception) -> Response:
    """Answer a request that a site profile does not allow now."""
    assert isinstance(error, SiteError)
    return error_answer(409, error.what, error.fix or "")


async def on_alledge_error(request: Request, error: Exception) -> Response:
    """Answer while this device is not set up as it has to be."""
    assert isinstance(error, AlledgeError)
    return error_answer(503, error.what, error.fix or "")


async def on_upload_error(request: Request, error: Exception) -> Response:
    """Answer a request that is refused."""
    assert isinstance(error, UploadError)
    return error_answer(error.status, error.what, error.fix, close=error.status in (408, 413))


def error_answer(
    status: int,
    what: str,
    fix: str = "",
    *,
    retry_after_s: int | None = None,
    close: bool = False,
) -> JSONResponse:
    """Return the answer to a request that failed.

    Parameters
    ----------
    status : int
        Of HTTP.
    what, fix : str
    retry_after_s : int, optional
        Seconds after which the request may succeed.
    close : bool
        Close the connection, because the rest of the body is not read.
    """
    headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
    if close:
        headers["connection"] = "close"
    return JSONResponse({"error": what, "fix": fix}, status, headers)


def entry_query(request: Request) -> EntryQuery:
    """Return which rows a request asks for.

    Raises
    ------
    UploadError
        422: a parameter is wrong.
    """
    values = request.query_params
    since = values.get("since")
    if since is not None and (since := utc_text(since)) is None:
        raise UploadError(422, "since is no time", "2026-01-31T12:30Z")
    status = values.get("status")
    if status is not None and status not in STATUSES:
        raise UploadError(422, "there is no such status", f"allowed: {', '.join(STATUSES)}")
    limit = whole_number(values.get("limit", str(USUAL_PAGE)), "limit")
    return EntryQuery(
        since=since,
        before=None if "before" not in values else whole_number(values["before"], "before"),
        after=None if "after" not in values else whole_number(values["after"], "after"),
        status=status,
        label=values.get("label"),
        search=values.get("search", "")[:255] or None,
        unread=values.get("unread", "1") in ("1", "true"),
        foreign=values.get("foreign", "1") in ("1", "true"),
        newest_first=values.get("order", "newest") != "oldest",
        limit=min(max(limit, 1), LARGEST_PAGE),
    )


def whole_number(text: str, name: str) -> int:
    """Return a parameter as a number.

    Raises
    ------
    UploadError
        422: it is none, or has more than 15 digits.
    """
    if text.isascii() and text.isdigit() and len(text) < 16:
        return int(text)
    raise UploadError(422, f"{name} is no whole number")


async def small_json(request: Request) -> dict[str, Any]:
    """Return a small JSON object that was sent.

    A form of another page cannot send this type without being asked for its origin.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise UploadError(415, "the body is no application/json")
    body = bytearray()
    try:
        with anyio.fail_after(SMALL_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > SMALL_BODY:
                    raise UploadError(413, f"the body has more than {SMALL_BODY} bytes")
        document = json.loads(body)
    except TimeoutError:
        raise UploadError(408, "the body comes too slowly") from None
    except (ValueError, RecursionError):
        raise UploadError(400, "the body is no JSON") from None
    if not isinstance(document, dict):
        raise UploadError(422, "the body is no JSON object")
    return document
