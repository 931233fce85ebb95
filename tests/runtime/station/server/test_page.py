"""The page: offline, without inline code, in three complete languages; and the OpenAPI document."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from alledge.runtime.records import FLAGS
from alledge.runtime.station.server.api import routes
from alledge.runtime.station.server.openapi import openapi_document
from alledge.runtime.station.server.pages import LANGUAGES, MESSAGES, STATIC, page_routes

SCRIPTS = sorted(STATIC.glob("*.js"))
MESSAGE_FILES = {
    name: json.loads((MESSAGES / f"{name}.json").read_text(encoding="utf-8")) for name in LANGUAGES
}
HTML = (STATIC / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_language_has_every_text_with_the_same_values(name: str) -> None:
    english, texts = MESSAGE_FILES["en"], MESSAGE_FILES[name]
    assert set(texts) == set(english)
    for key, text in texts.items():
        assert text.strip()
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", english[key])), key
        assert (": " in text) == (": " in english[key]) or not key.startswith("key_")


def test_every_text_of_the_page_exists_and_is_used() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS)
    named = set(re.findall(r'data-(?:text|label)="(\w+)"', HTML))
    named |= set(re.findall(r"""(?<![.\w])(?:text|add)\(\s*"(\w+)\"""", code))
    assert named <= set(MESSAGE_FILES["en"])
    # the code composes some keys, or chooses between them
    composed = ("flag_", "label_", "images_", "cells_", "finding_")
    for key in set(MESSAGE_FILES["en"]) - named:
        assert key.startswith(composed) or f'"{key}"' in code, key


def test_every_flag_of_a_record_has_a_text() -> None:
    for texts in MESSAGE_FILES.values():
        assert {f"flag_{flag}" for flag in FLAGS} <= set(texts)


def test_the_page_has_no_inline_code_and_asks_no_other_host() -> None:
    assert not re.search(r"\bon\w+=|style=|javascript:|<style", HTML)
    assert not re.search(r"<script(?![^>]*\bsrc=)", HTML)
    for path in STATIC.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text, path.name
        assert "https:" not in text, path.name
        assert "@import" not in text
        assert "url(" not in text


def test_scripts_write_text_and_never_html() -> None:
    for path in SCRIPTS:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
        assert len(text.splitlines()) < 300


def test_every_file_of_the_page_has_a_route() -> None:
    paths = {route.path for route in page_routes()}
    for path in STATIC.iterdir():
        assert path.name == "index.html" or f"/static/{path.name}" in paths
    for reference in re.findall(r'(?:src|href)="(/[^"]*)"', HTML):
        assert reference in paths
    for script in SCRIPTS:
        for name in re.findall(r'from "\./(\w+\.js)"', script.read_text(encoding="utf-8")):
            assert f"/static/{name}" in paths


def test_the_openapi_document_describes_every_route_and_no_other() -> None:
    document = openapi_document()
    described = {
        (path, method.upper()) for path, item in document["paths"].items() for method in item
    }
    actual = {
        (re.sub(r":\w+\}", "}", route.path), method)
        for route in routes()
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert described == actual
    assert json.loads(json.dumps(document))["openapi"].startswith("3.1")


def test_the_page_names_every_status_and_is_quiet_about_what_it_is_not() -> None:
    assert HTML.count("Research software, not a medical device.") == 1
    for status in ("review", "ok", "error", "foreign"):
        assert f'value="{status}"' in HTML


def test_no_file_of_the_page_is_missing_from_the_package() -> None:
    setup = (Path(__file__).resolve().parents[4] / "setup.cfg").read_text(encoding="utf-8")
    assert "alledge.runtime.station.server = static/*, messages/*" in setup
