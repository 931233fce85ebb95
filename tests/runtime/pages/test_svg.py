"""Charts: the same text in every process, colours from the style sheet, escaped text."""

from __future__ import annotations

import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from alledge.errors import MissingPackageError
from alledge.runtime.pages.environment import SHARED, markdown_text, render_page, stylesheet
from alledge.runtime.pages.svg import chart_style, colours, plain_text

DRAW = """
from matplotlib.figure import Figure
from alledge.runtime.pages.svg import DPI, chart_style, figure_svg

with chart_style() as colour:
    figure = Figure(figsize=(300 / DPI, 200 / DPI), layout="constrained")
    axes = figure.subplots()
    axes.grid()
    axes.plot([1, 2], [2, 1], "o--", color=colour["accent"], gid="mark:1")
    axes.text(1, 2, "<b>$x_1$", gid="pin:1")
    print(figure_svg(figure, "A <chart>", {"mark:1": "two\\nlines <"}, alone=True))
"""


@pytest.fixture(scope="module")
def chart() -> str:
    """A small chart, drawn in another process."""
    run = subprocess.run([sys.executable, "-c", DRAW], capture_output=True, check=True)
    return run.stdout.decode("utf-8").replace("\r\n", "\n")


def test_two_processes_draw_the_same_text(chart: str) -> None:
    again = subprocess.run([sys.executable, "-c", DRAW], capture_output=True, check=True)
    assert again.stdout.decode("utf-8").replace("\r\n", "\n") == chart


def test_a_chart_names_no_date_and_no_program(chart: str) -> None:
    assert "Matplotlib" not in chart
    assert not re.search(r"20\d\d-\d\d-\d\d", chart)
    assert len(chart) < 8000


def test_every_colour_of_a_chart_is_a_variable_of_the_style_sheet(chart: str) -> None:
    drawing = re.sub("<style>.*?</style>", "", chart, flags=re.DOTALL)
    assert not re.search("#[0-9a-f]{6}", drawing)
    names = set(re.findall(r"var\(--([\w-]+)\)", drawing))
    assert {"accent", "ink", "line"} <= names <= set(colours())


def test_light_and_dark_define_the_same_colours() -> None:
    light, dark = stylesheet().split("@media (prefers-color-scheme: dark)")[:2]
    names = set(re.findall(r"--([\w-]+): #", light))
    assert names == set(colours())
    assert names == set(re.findall(r"--([\w-]+): #", dark))


def test_text_in_a_chart_is_text(chart: str) -> None:
    root = ElementTree.fromstring(chart)
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert "<b>$x_1$" in texts  # no tag and no formula
    (mark,) = root.findall(".//*[@class='mark']")
    assert mark[0].text == "two\nlines <"
    assert root.get("aria-label") == "A <chart>"


def test_a_long_text_and_control_characters_fit_into_a_chart() -> None:
    assert plain_text("a\x00\x1b\nb") == "a\ufffd\ufffd b"
    assert plain_text("c" * 99) == "c" * 27 + "…"


def test_markdown_opens_no_tag_but_keeps_a_comparison() -> None:
    assert markdown_text("<img src=x>") == "&lt;img src=x>"
    assert markdown_text("p < 0.001") == "p < 0.001"
    assert markdown_text(3) == 3


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingPackageError, match="matplotlib"), chart_style():
        pass
    with pytest.raises(MissingPackageError, match="jinja2"):
        render_page(SHARED / "base.html")
