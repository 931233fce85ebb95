"""The page in Chromium: a picture that is opened, two corrected cells, the history, adopting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alledge.runtime.bundle.finding import builtin_folder
from alledge.runtime.station.history.store import History
from support.browsers import check_accessibility, opened_page
from support.checked_fields import FIELDS, draw_fields, entries_of, judge_all
from support.stations import TOKEN, Server, serving

LABELS = {"en": ("healthy", "blast"), "de": ("gesund", "Blast"), "fr": ("sain", "blaste")}


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory, cell_bundle: Path) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("station") / "home"
    with serving(home, cell_bundle, "--token", TOKEN) as server:
        yield server


@pytest.mark.parametrize(
    ("language", "theme", "width", "height"),
    [("en", "light", 1280, 800), ("de", "dark", 1280, 800), ("fr", "dark", 820, 1180)],
)
def test_a_picture_is_dropped_corrected_and_found(
    browser: Any, station: Server, smears: Any, language: str, theme: str, width: int, height: int
) -> None:
    fields = sorted(smears.root.rglob("*.jpg"))
    field = fields[list(LABELS).index(language)]
    page, problems = opened_page(browser, station, language, theme, width, height)
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
    page.context.close()


def test_a_microscope_is_adopted_on_the_page(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "camera").mkdir()
    truth = draw_fields(tmp_path / "camera")
    with serving(tmp_path / "home", builtin_folder(), str(tmp_path / "camera")) as station:
        entries = entries_of(station, FIELDS)
        page, problems = opened_page(browser, station, "en", "light", 1280, 800)

        def picture(name: str) -> None:
            check_accessibility(page)
            page.screenshot(path=tmp_path / f"{name}.png")

        dropped = tmp_path / "dropped.png"
        Image.open(tmp_path / "camera" / next(iter(truth))).rotate(180).save(dropped)
        drop(page, dropped)
        page.wait_for_selector('#list button[aria-current="true"] small:has-text("dropped.png")')
        page.wait_for_selector("#classes:not(.waiting)")
        for place, key in ((0, "1"), (1, "3")):  # correct two cells
            page.locator("#gallery button").nth(place).click()
            page.keyboard.press(key)
            page.wait_for_selector(f"#gallery button.person >> nth={place}")
        page.keyboard.press("Escape")
        page.fill("#search", "dropped")
        page.wait_for_selector("#list li:first-child:last-child button")
        picture("history")
        judge_all(station, entries, truth, np.random.default_rng(3))
        page.wait_for_selector('#adopt-open:has-text("60")')
        page.locator("body").click()
        page.keyboard.press("a")
        assert "2 further verdicts cannot be used" in page.text_content("#site-lost")
        page.fill("#site-name", "room-3")
        page.keyboard.press("Enter")
        page.wait_for_selector("#site-outcome .refused")
        picture("refused")
        judge_all(station, entries, truth)
        page.click("#adopt")
        page.wait_for_selector("#site-run:not([hidden])")
        picture("running")
        page.wait_for_selector("#site-outcome .adopted")
        page.wait_for_selector("#revert:not([hidden])")
        page.wait_for_selector('#coverage-text:has-text("room-3@1 is adopted")', state="attached")
        picture("adopted")
        for language, theme, size, word in (
            ("de", "dark", (1280, 800), "Sensitivität"),
            ("fr", "light", (820, 1180), "Sensibilité"),
        ):
            other, more = opened_page(browser, station, language, theme, *size)
            other.wait_for_selector("#gallery button")
            other.keyboard.press("a")
            other.wait_for_selector("#site-outcome .adopted")
            check_accessibility(other)
            other.screenshot(path=tmp_path / f"{language}.png")
            assert word in other.text_content("#site-outcome")
            assert more == []
        page.click("#revert")
        page.wait_for_selector("#revert", state="hidden")
        page.keyboard.press("Escape")
        picture("reverted")
        assert problems == []


def drop(page: Any, path: Path) -> None:
    """Drop a file on the page, as a person does with the mouse."""
    content = list(path.read_bytes())
    transfer = page.evaluate_handle(
        """([content, name]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(content)], name, { type: "image/png" }));
            return transfer;
        }""",
        [content, path.name],
    )
    page.dispatch_event("body", "dragover", {"dataTransfer": transfer})
    page.dispatch_event("body", "drop", {"dataTransfer": transfer})
