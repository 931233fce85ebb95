"""The page in Chromium: a dropped picture, two corrected cells, the history; axe finds nothing.

Needs Playwright for Python and a Chromium (``ALLEDGE_CHROMIUM`` names another one). axe-core, from
npm, is used where ``ALLEDGE_AXE`` names its ``axe.min.js``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alledge.runtime.station.history.store import History
from support.stations import TOKEN, Server, serving

CHROMIUM = os.environ.get("ALLEDGE_CHROMIUM") or shutil.which("chromium") or ""
AXE = os.environ.get("ALLEDGE_AXE", "")
LABELS = {"en": ("healthy", "blast"), "de": ("gesund", "Blast"), "fr": ("sain", "blaste")}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if not CHROMIUM:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory, cell_bundle: Path) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("station") / "home"
    with serving(home, cell_bundle, "--token", TOKEN) as server:
        yield server


def check_accessibility(page: Any) -> None:
    if AXE:
        page.evaluate(Path(AXE).read_text(encoding="utf-8") + "; undefined")
        found = page.evaluate("axe.run()")["violations"]
        assert [(rule["id"], rule["help"]) for rule in found] == []


@pytest.mark.parametrize(
    ("language", "theme", "width", "height"),
    [("en", "light", 1280, 800), ("de", "dark", 1280, 800), ("fr", "dark", 820, 1180)],
)
def test_a_picture_is_dropped_corrected_and_found(
    browser: Any, station: Server, smears: Any, language: str, theme: str, width: int, height: int
) -> None:
    fields = sorted(smears.root.rglob("*.jpg"))
    field = fields[list(LABELS).index(language)]
    context = browser.new_context(
        viewport={"width": width, "height": height}, locale=language, color_scheme=theme
    )
    page, problems = context.new_page(), []
    address = f"http://{station.host}:{station.port}/"
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda r: r.url.startswith(address) or problems.append(r.url))
    page.goto(address)
    page.fill("#token", TOKEN)
    page.keyboard.press("Enter")
    page.wait_for_selector("#login:not([open])", state="attached")
    page.set_input_files("#file", str(field))
    page.wait_for_selector(f'#list button[aria-current="true"] small:has-text("{field.name}")')
    page.wait_for_selector("#gallery button")
    page.wait_for_selector("#classes:not(.waiting)")
    check_accessibility(page)
    number = int(page.get_attribute('#list button[aria-current="true"]', "data-number"))
    for cell in (0, 1):
        page.locator("#gallery button").nth(cell).click()
        page.keyboard.press("2")
        page.wait_for_selector(f"#gallery button.person >> nth={cell}")
    page.keyboard.press("Escape")
    page.keyboard.press("1")
    page.wait_for_selector(".persons")
    assert LABELS[language][0] in page.text_content(".persons")
    check_accessibility(page)
    page.fill("#search", field.name)
    page.wait_for_selector("#list li:first-child:last-child button")
    with History(station.home) as history:
        entry = history.entry(number)
    assert entry is not None
    judged = {verdict.cell: verdict.label for verdict in entry.verdicts}
    assert judged.pop(None) == "healthy"
    assert list(judged.values()) == ["blast", "blast"]
    assert problems == []
    context.close()
