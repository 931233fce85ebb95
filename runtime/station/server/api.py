"""The endpoints of the REST interface."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from ..history.agreement import agreement
from ..history.documents import entry_document
from ..history.entries import Entry
from .access import COOKIE
from .camera_api import camera_routes
from .classify_queue import QueueFullError
from .event_feed import TooManyPagesError
from .openapi import openapi_document
from .request_parts import entry_query, error_answer, small_json, whole_number
from .services import Services, metrics_text
from .site_api import site_routes
from .uploads import UploadError

REMOVED = "it was classified before, and the content of its entry was removed"


def services_of(request: Request) -> Services:
    """Return what the endpoints share."""
    services: Services = request.app.state.services
    return services


def routes() -> list[Route]:
    """Return the endpoints."""
    return [
        Route("/v1/classify", classify, methods=["POST"]),
        Route("/v1/health", health, methods=["GET"]),
        Route("/v1/ready", ready, methods=["GET"]),
        Route("/v1/state", state, methods=["GET"]),
        Route("/v1/history", list_history, methods=["GET"]),
        Route("/v1/history/{number:int}", one_entry, methods=["GET"]),
        Route("/v1/history/{number:int}/preview", preview, methods=["GET"]),
        Route("/v1/history/{number:int}/thumbnail", thumbnail, methods=["GET"]),
        Route("/v1/history/{number:int}/verdicts", add_verdict, methods=["POST"]),
        Route("/v1/cells", list_cells, methods=["GET"]),
        Route("/v1/agreement", show_agreement, methods=["GET"]),
        *camera_routes(),
        *site_routes(),
        Route("/v1/events", events, methods=["GET"]),
        Route("/v1/login", login, methods=["POST"]),
        Route("/metrics", metrics, methods=["GET"]),
        Route("/openapi.json", openapi, methods=["GET"]),
    ]


async def classify(request: Request) -> Response:
    """Classify one image; the answer is the record of ``alledge classify --json``."""
    services = services_of(request)
    try:
        services.queue.check_place()  # before a large body is read
        upload = await services.reader.read(request)
        try:
            entry = await asyncio.wrap_future(services.queue.submit(upload))
        finally:
            services.reader.release(upload)
    except QueueFullError as error:
        return error_answer(429, str(error), retry_after_s=error.retry_after_s, close=True)
    except UploadError as error:
        retry = 5 if error.status == 429 else None
        return error_answer(error.status, error.what, error.fix, retry_after_s=retry, close=True)
    except ClientDisconnect:
        return Response(status_code=400)
    headers = {"location": f"/v1/history/{entry.number}"}
    status = 422 if entry.kind == "unread" else 200 if entry.body is not None else 410
    return JSONResponse(_record(entry, services), status, headers)


def _record(entry: Entry, services: Services) -> dict[str, Any]:
    """Return the record of an upload; a client's name of a file is no part of it."""
    if entry.record is not None:
        return {**entry.record, "image": None}
    classifier = services.model.current.classifier
    bundle = classifier.bundle
    record: dict[str, Any] = {
        "image": None, "status": "error", "label": None, "probability": None, "scores": None,
        "threshold": classifier.threshold, "flags": [], "bundle": bundle.name,
        "digest": bundle.digest, "backend": classifier.backend.name, "ms": 0.0,
        "error": (entry.body or {}).get("reason") or REMOVED,
    }  # fmt: skip
    if bundle.task == "cell":
        record |= {"as": None, "site": None, "cells": None, "counts": None}
    return record


async def health(request: Request) -> Response:
    """Say that the server runs."""
    return JSONResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """Say whether images can be classified and recorded."""
    problems = await run_in_threadpool(services_of(request).problems)
    if problems:
        return JSONResponse({"status": "not ready", "problems": problems}, 503)
    return JSONResponse({"status": "ready", "problems": []})


async def state(request: Request) -> Response:
    """Return what the page shows on every screen."""
    return JSONResponse(await run_in_threadpool(services_of(request).state))


async def list_history(request: Request) -> Response:
    """Return rows of the history."""
    query = entry_query(request)
    entries = await run_in_threadpool(services_of(request).history.entries, query)
    return JSONResponse({"entries": [entry_document(entry) for entry in entries]})


async def one_entry(request: Request) -> Response:
    """Return one row of the history."""
    entry = await _entry(request)
    return JSONResponse(entry_document(entry))


async def preview(request: Request) -> Response:
    """Return a JPEG of an image, of at most 1800 pixels."""
    return await _picture(request, "preview")


async def thumbnail(request: Request) -> Response:
    """Return a small JPEG of an image."""
    return await _picture(request, "thumbnail")


async def _picture(request: Request, kind: str) -> Response:
    entry = await _entry(request)
    jpeg = await run_in_threadpool(services_of(request).picture, entry, kind)
    if jpeg is None:
        raise UploadError(404, f"entry {entry.number} has no {kind}")
    headers = {"cache-control": "private, max-age=3600"}
    return Response(jpeg, media_type="image/jpeg", headers=headers)


async def add_verdict(request: Request) -> Response:
    """Record what a person says of an image or of one of its cells."""
    number: int = request.path_params["number"]
    body = await small_json(request)
    cell, label = body.get("cell"), body.get("label")
    is_cell = cell is None or (isinstance(cell, int) and not isinstance(cell, bool))
    if not (
        is_cell and (label is None or isinstance(label, str)) and {"cell", "label"} >= set(body)
    ):
        raise UploadError(422, "a verdict has a cell and a label", '{"cell": 0, "label": "blast"}')
    services = services_of(request)
    await _entry(request)
    await run_in_threadpool(services.history.add_verdict, number, cell, label)
    return JSONResponse(entry_document(await _entry(request)), 201)


async def list_cells(request: Request) -> Response:
    """Return the cells of results, with what people say of them."""
    judged = request.query_params.get("judged") in ("1", "true")
    if (text := request.query_params.get("entry")) is not None:
        entry = await run_in_threadpool(
            services_of(request).history.entry, whole_number(text, "entry")
        )
        entries = [] if entry is None else [entry]
    else:
        entries = await run_in_threadpool(
            services_of(request).history.entries, entry_query(request)
        )
    cells = [cell for entry in entries for cell in _cells(entry)]
    return JSONResponse(
        {"cells": [cell for cell in cells if not judged or cell["person"] is not None]}
    )


def _cells(entry: Entry) -> list[dict[str, Any]]:
    person = {verdict.cell: verdict.label for verdict in entry.verdicts}
    cells = (entry.record or {}).get("cells") or []
    return [
        {"entry": entry.number, "cell": index, **cell, "person": person.get(index)}
        for index, cell in enumerate(cells)
    ]


async def show_agreement(request: Request) -> Response:
    """Return how often people agree with the machine."""
    return JSONResponse(await run_in_threadpool(agreement, services_of(request).history))


async def events(request: Request) -> Response:
    """Stream the numbers of rows that are new or got a verdict."""
    feed = services_of(request).feed
    try:
        feed.check_place()
    except TooManyPagesError as error:
        return error_answer(503, str(error), retry_after_s=10)
    return StreamingResponse(feed.stream(), media_type="text/event-stream")


async def login(request: Request) -> Response:
    """Give a browser its cookie for the right token."""
    rules = services_of(request).rules
    token = (await small_json(request)).get("token")
    if rules.token is None or not isinstance(token, str) or not rules.knows(token):
        await asyncio.sleep(1.0)  # slows guessing down
        raise UploadError(401, "the token is wrong", "it stands where `alledge serve` was started")
    response = Response(status_code=204)
    response.set_cookie(COOKIE, rules.session, httponly=True, samesite="strict", path="/")
    return response


async def metrics(request: Request) -> Response:
    """Return figures for Prometheus."""
    text = await run_in_threadpool(metrics_text, services_of(request))
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


async def openapi(request: Request) -> Response:
    """Describe this interface."""
    return JSONResponse(openapi_document())


async def _entry(request: Request) -> Entry:
    number: int = request.path_params["number"]
    entry = None
    if number < 2**63:
        entry = await run_in_threadpool(services_of(request).history.entry, number)
    if entry is None:
        raise UploadError(404, f"the history has no entry {number}")
    return entry
