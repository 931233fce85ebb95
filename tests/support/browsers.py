"""Chromium for tests of the page, with every other host cut off.

Needs Playwright for Python and a Chromium (``ALLEDGE_CHROMIUM`` names another one). axe-core, from
npm, is used where ``ALLEDGE_AXE`` names its ``axe.min.js``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .stations import Server

CHROMIUM = os.environ.get("ALLEDGE_CHROMIUM") or shutil.which("chromium") or ""
AXE = os.environ.get("ALLEDGE_AXE", "")
OFFLINE = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
TIMEOUT_MS = 120_000


@contextmanager
def chromium() -> Iterator[Any]:
    """Start a browser, or skip the test."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if not CHROMIUM:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", OFFLINE])
        yield browser
        browser.close()


def opened_page(
    browser: Any, server: Server, language: str, theme: str, width: int, height: int
) -> tuple[Any, list[str]]:
    """Return the page of a server, and a list that gets its errors and requests to other hosts."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, locale=language, color_scheme=theme
    )
    context.set_default_timeout(TIMEOUT_MS)
    page, problems = context.new_page(), list[str]()
    address = f"http://{server.host}:{server.port}/"
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda r: r.url.startswith(address) or problems.append(r.url))
    page.goto(address)
    return page, problems


def check_accessibility(page: Any) -> None:
    """Check that axe finds no violation."""
    if AXE:
        page.evaluate(Path(AXE).read_text(encoding="utf-8") + "; undefined")
        found = page.evaluate("axe.run()")["violations"]
        assert [(rule["id"], rule["help"]) for rule in found] == []
