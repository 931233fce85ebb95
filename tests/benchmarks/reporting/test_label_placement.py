"""Labels of a chart cover neither one another nor marks; those without space are left out."""

from __future__ import annotations

import re
import sys

import pytest
from matplotlib.figure import Figure

from alledge.benchmarks.reporting.label_placement import Label, place_labels
from alledge.errors import MissingPackageError
from alledge.runtime.pages.svg import DPI, chart_style, figure_svg


def labelled_chart(labels: list[Label]) -> tuple[Figure, str]:
    """Return a chart with some labelled marks, and its SVG."""
    with chart_style() as colour:
        figure = Figure(figsize=(360 / DPI, 300 / DPI), layout="constrained")
        axes = figure.subplots()
        axes.set_xlim(0, 10)
        axes.set_ylim(0, 1.5)
        marks = [axes.plot([label.x], [label.y], "o")[0] for label in labels]
        place_labels(figure, axes, labels, marks, colour["soft"], (0.25, 0.5, 0.75))
        return figure, figure_svg(figure, "labels")


def test_labels_of_neighbours_do_not_overlap() -> None:
    labels = [Label(f"mobilenetv2 int{number}", 5 + number / 10, 0.9) for number in range(3)]
    figure, _ = labelled_chart(labels)
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_visible()]
    assert len(boxes) == 3
    assert not any(a.overlaps(b) for at, a in enumerate(boxes) for b in boxes[at + 1 :])


def test_a_label_without_space_is_left_out_with_its_line() -> None:
    labels = [Label(f"a name that is much longer {number}", 5.0, 0.9) for number in range(12)]
    figure, svg = labelled_chart(labels)
    texts = figure.axes[0].texts
    shown = [text for text in texts if text.get_visible()]
    assert 1 <= len(shown) < len(texts)
    assert texts[0] in shown  # the most important
    assert svg.count('class="pin"') == len(shown)
    lines = [line for line in figure.axes[0].patches if line.get_visible()]
    assert len(lines) <= len(shown)


def test_two_runs_place_the_same() -> None:
    labels = [Label(name, at, 0.8) for name, at in (("one", 2.0), ("two", 2.1), ("three", 8.0))]
    assert labelled_chart(labels)[1] == labelled_chart(labels)[1]


def test_a_missing_adjusttext_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adjustText", None)
    with pytest.raises(MissingPackageError, match="adjustText"):
        labelled_chart([Label("one", 1.0, 0.5)])


def test_no_labels_are_no_error() -> None:
    assert not re.search("pin", labelled_chart([])[1])
