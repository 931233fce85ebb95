"""The OpenAPI document of the REST interface."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .... import __version__

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
NUMBER = {"name": "number", "in": "path", "required": True, "schema": {"type": "integer"}}
COUNT = {"type": "integer", "minimum": 0}
ERROR = {
    "type": "object",
    "required": ["error", "fix"],
    "properties": {"error": {"type": "string"}, "fix": {"type": "string"}},
}
JPEG = {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document; the schemas are those of the package."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "alledge",
            "version": __version__,
            "description": "Classifies images of blood smears on this machine. "
            "Research software, not a medical device.",
        },
        "paths": _paths(),
        "components": {
            "schemas": {
                "record": _schema("classify"),
                "entry": _schema("history-entry"),
                "adoption": _schema("adoption"),
                "site": _site(),
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _paths() -> dict[str, Any]:
    entries = _list("entries", _reference("entry"))
    verdict = {
        "type": "object",
        "required": ["label"],
        "properties": {
            "cell": {"type": ["integer", "null"], "description": "null: the whole image"},
            "label": {"type": ["string", "null"], "description": "null withdraws a verdict"},
        },
        "additionalProperties": False,
    }
    token = {
        "type": "object",
        "required": ["token"],
        "properties": {"token": {"type": "string"}},
    }
    return {
        "/v1/classify": {"post": _classify()},
        "/v1/health": _get("Whether the server runs", {"type": "object"}),
        "/v1/ready": _get("Whether it can classify and record", {"type": "object"}, 503),
        "/v1/state": _get("Bundle, folders, counts, coverage", {"type": "object"}, 503),
        "/v1/history": _get("Rows of the history", entries, 422, 503, parameters=_filters()),
        "/v1/history/{number}": _get(
            "One row", _reference("entry"), 404, 503, parameters=[NUMBER]
        ),
        "/v1/history/{number}/preview": _get("A JPEG", JPEG, 404, 503, parameters=[NUMBER]),
        "/v1/history/{number}/thumbnail": _get(
            "A small JPEG", JPEG, 404, 503, parameters=[NUMBER]
        ),
        "/v1/history/{number}/verdicts": {
            "post": {
                "summary": "Record what a person says of an image or a cell",
                "parameters": [NUMBER],
                "requestBody": _json_body(verdict),
                "responses": {
                    "201": _json("The row", _reference("entry")),
                    **_errors(400, 404, 408, 413, 415, 422, 503),
                },
            }
        },
        "/v1/cells": _get(
            "Cells of results", _list("cells", {"type": "object"}), 422, 503,
            parameters=[*_filters(), _parameter("entry", COUNT), _parameter("judged", {})],
        ),
        "/v1/agreement": _get("How often people agree", {"type": "object"}, 503),
        "/v1/camera": _get("Focus and exposure of the camera", {"type": "object"}, 404),
        "/v1/camera/frame": _get("The last frame of the camera, small", JPEG, 404),
        "/v1/camera/grab": {
            "post": {
                "summary": "Take a picture; its result comes with the events",
                "requestBody": _json_body({"type": "object"}),
                "responses": {
                    "202": _json("The picture is taken", {"type": "object"}),
                    **_errors(400, 404, 408, 413, 415, 422),
                },
            }
        },
        **_site_paths(),
        "/v1/events": _get("Server-sent events", {"text/event-stream": {}}, 503),
        "/v1/login": {
            "post": {
                "summary": "Get a cookie for the token",
                "requestBody": _json_body(token),
                "responses": {
                    "204": {"description": "The cookie is set"},
                    **_errors(400, 401, 408, 413, 415, 422),
                },
            }
        },
        "/metrics": _get("Figures for Prometheus", {"text/plain": {}}, 503),
        "/openapi.json": _get("This document", {"type": "object"}),
    }  # fmt: skip


def _site_paths() -> dict[str, Any]:
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}

    def post(summary: str, status: str) -> dict[str, Any]:
        return {
            "post": {
                "summary": summary,
                "parameters": [name],
                "requestBody": _json_body({"type": "object"}),
                "responses": {
                    status: _json("The site", _reference("site")),
                    **_errors(400, 404, 408, 409, 413, 415, 422, 503),
                },
            }
        }

    return {
        "/v1/site": _get("The site, what was checked, and the adoption", _reference("site"), 503),
        "/v1/sites/{name}/adopt": post("Adopt from what people have checked", "202"),
        "/v1/sites/{name}/revert": post("Take the version before into use", "200"),
    }


def _site() -> dict[str, Any]:
    text, flag = {"type": "string"}, {"type": "boolean"}
    counts = dict.fromkeys(("count", "images", "lost", "least", "least_images"), COUNT)
    checked = {**counts, "labels": {"type": "object", "additionalProperties": COUNT}}
    run = {
        "state": {"enum": ["none", "reading", "fitting", "finished", "failed"]},
        "done": COUNT,
        "images": COUNT,
        "error": {"type": ["string", "null"]},
        "outcome": {"anyOf": [{"type": "null"}, _reference("adoption")]},
    }
    return _object(
        name={"type": ["string", "null"]},
        version={"type": ["integer", "null"]},
        adopted=flag,
        needs_key=flag,
        problem=text,
        checked=_object(**checked),
        run=_object(**run),
    )


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _classify() -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    form = {"type": "object", "required": ["image"], "properties": {"image": binary["schema"]}}
    return {
        "summary": "Classify one image",
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": binary,
                "image/*": binary,
                "multipart/form-data": {"schema": form},
            },
        },
        "responses": {
            "200": _json("The record; it is in the history", _reference("record")),
            "410": _json("It has an entry whose content was removed", _reference("record")),
            "422": _json("The image cannot be read; the record says why", _reference("record")),
            **_errors(400, 408, 413, 415, 429, 503),
        },
    }


def _filters() -> list[dict[str, Any]]:
    text = {"type": "string"}
    return [
        _parameter("limit", {"type": "integer", "minimum": 1, "maximum": 200}),
        _parameter("before", COUNT),
        _parameter("after", COUNT),
        _parameter("since", text),
        _parameter("status", {"enum": ["ok", "review", "error", "foreign"]}),
        _parameter("label", text),
        _parameter("search", text),
        _parameter("unread", {"enum": ["0", "1"]}),
        _parameter("foreign", {"enum": ["0", "1"]}),
        _parameter("order", {"enum": ["newest", "oldest"]}),
    ]


def _get(
    summary: str,
    answer: dict[str, Any],
    *errors: int,
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    is_content = any("/" in key for key in answer)
    good = {"description": summary, "content": answer} if is_content else _json(summary, answer)
    return {
        "get": {
            "summary": summary,
            "parameters": parameters or [],
            "responses": {"200": good, **_errors(*errors)},
        }
    }


def _errors(*statuses: int) -> dict[str, Any]:
    also = (401, 403, 421)
    return {str(status): _json("An error", ERROR) for status in (*statuses, *also)}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _json_body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _list(name: str, items: dict[str, Any]) -> dict[str, Any]:
    array = {"type": "array", "items": items}
    return {"type": "object", "required": [name], "properties": {name: array}}


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schema(name: str) -> dict[str, Any]:
    text = (SCHEMAS / f"{name}.json").read_text(encoding="utf-8")
    place = f'"#/components/schemas/{name}/$defs/'  # only "adoption" has definitions
    schema: dict[str, Any] = json.loads(text.replace('"#/$defs/', place))
    schema.pop("$schema", None)
    return schema
