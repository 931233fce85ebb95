"""The page of a report in a real browser: wide and narrow, light and dark."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)


def browse(page: Path, width: int, *more: str) -> str:
    """Return the document as a browser has it after its scripts ran."""
    assert BROWSER is not None
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--window-size={width},900", "--virtual-time-budget=2000", *more, page.as_uri()]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout


PROBE = """<script>
const style = getComputedStyle(document.body), wide = document.querySelector(".only-wide");
const seen = {
  background: style.backgroundColor, overflow: document.documentElement.scrollWidth > innerWidth,
  wide: getComputedStyle(wide).display, rows: document.querySelectorAll("#rows tbody tr").length,
};
const shown = (cells) => [...cells].filter((cell) => getComputedStyle(cell).display !== "none");
const [groups, names] = document.querySelector("#rows thead").rows;
const span = () => shown(groups.cells).reduce((sum, cell) => sum + cell.colSpan, 0);
seen.few = shown(names.cells).length; seen.grouped = span() === seen.few;
document.querySelector("#more").click();
seen.all = shown(names.cells).length; seen.grouped &&= span() === seen.all;
const column = [...names.cells].findIndex((cell) => cell.dataset.name === "p50 ms");
const values = (at) => [...document.querySelectorAll("#rows tbody tr")]
  .map((row) => row.cells[at].dataset.v);
const press = (at) => { names.cells[at].querySelector("button").click(); return values(at); };
seen.up = press(column).map(Number); seen.down = press(column).map(Number);
const machine = [...names.cells].findIndex((cell) => cell.dataset.name === "machine");
seen.machines = press(machine);
const box = document.querySelector(".tall");
box.style.height = "120px"; box.scrollTop = 60;
const away = names.getBoundingClientRect().bottom - box.getBoundingClientRect().top;
seen.sticky = box.scrollTop > 0 && away > 0;
const pictures = [...document.querySelectorAll("figure svg[role=img]")]
  .filter((picture) => picture.getBoundingClientRect().width > 0);
seen.clipped = pictures.flatMap((picture) => [...picture.querySelectorAll("text")]
  .filter((text) => {
    const found = text.getBBox(), whole = picture.viewBox.baseVal;
    return found.x < -1 || found.x + found.width > whole.width + 1;
  }).map((text) => text.textContent));
const upon = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
seen.pins = 0; seen.covered = [];
for (const picture of pictures) {
  const pins = [...picture.querySelectorAll(".pin")];
  seen.pins += pins.length;
  pins.forEach((pin, at) => pins.slice(at + 1).forEach((other) => {
    const [a, b] = [pin, other].map((one) => one.getBoundingClientRect());
    const middle = {...b.toJSON(), top: b.top + 3, bottom: b.bottom - 3};
    if (upon(a, middle)) seen.covered.push(pin.textContent);
  }));
}
const search = document.querySelector("#words");
search.value = "openvino estimated"; search.dispatchEvent(new Event("input", {bubbles: true}));
seen.left = [...document.querySelectorAll("#rows tbody tr")].filter((row) => !row.hidden).length;
document.body.dataset.seen = JSON.stringify(seen);
</script></body>"""


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium here")
@pytest.mark.parametrize("width", [1280, 500])
@pytest.mark.parametrize("dark", [False, True])
def test_a_browser_shows_sorts_and_filters_the_page(page: Path, width: int, dark: bool) -> None:
    text = page.read_text(encoding="utf-8").replace("</body>", PROBE)
    text = re.sub('<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)  # admit the probe
    probed = page.with_name("probed.html")
    probed.write_text(text, encoding="utf-8")
    more = ("--blink-settings=preferredColorScheme=0",) if dark else ()
    dom = browse(probed, width, *more)
    found = re.search(r'data-seen="([^"]*)"', dom)
    assert found is not None, "a script of the page failed"
    seen = json.loads(found[1].replace("&quot;", '"'))
    assert seen["rows"] == 6
    assert seen["up"] == sorted(seen["up"])
    assert seen["down"] == sorted(seen["down"], reverse=True)
    assert seen["machines"] == sorted(seen["machines"])
    assert len(set(seen["machines"])) == 2
    assert seen["left"] == 1
    assert seen["few"] < seen["all"]
    assert seen["grouped"], "the headings of groups do not stand above their columns"
    assert seen["sticky"], "the heading does not stay"
    assert not seen["clipped"]
    assert seen["pins"] >= 2
    assert not seen["covered"]
    assert not seen["overflow"], "the page is wider than the window"
    assert (seen["wide"] == "none") == (width < 720)
    light = sum(map(int, re.findall(r"\d+", seen["background"])[:3])) > 384
    assert light == (not dark)
