"""Places the labels of marks in a chart, with adjustText."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import MissingPackageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

ITERATIONS = 400  # a number of steps and not a time, so that a chart is reproducible
# Labels repel one another and the marks. They do not return to their mark, which would bring them
# among the marks again: a line leads to it.
FORCES = {"force_text": (0.3, 0.5), "force_static": (0.1, 0.8), "force_pull": (0.0, 0.0)}


@dataclass(frozen=True)
class Label:
    """The label of a mark at (x, y), in data coordinates."""

    text: str
    x: float
    y: float


def place_labels(
    figure: Figure,
    axes: Axes,
    labels: Sequence[Label],
    marks: Sequence[object],
    line_colour: str,
    levels: Sequence[float],
) -> None:
    """Write labels above the marks, with lines to them.

    The labels are moved until they cover neither marks nor one another. A label for which there is
    no space is left out.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Its layout is final afterwards.
    axes : matplotlib.axes.Axes
        The space for labels is above y = 1.
    labels : sequence of Label
        The most important first.
    marks : sequence of Artist
    line_colour : str
    levels : sequence of float
        Shares of the height of the space at which labels start, in turns from left to right.

    Raises
    ------
    MissingPackageError
        If adjustText is not installed.
    """
    try:
        from adjustText import adjust_text
    except ModuleNotFoundError:
        raise MissingPackageError("adjustText", "report", "the chart of a report") from None
    if not labels:
        return
    figure.draw_without_rendering()  # the layout must be final before labels are placed
    figure.set_layout_engine("none")
    space = axes.get_ylim()[1] - 1
    order = sorted(label.x for label in labels)
    texts = []
    for number, label in enumerate(labels):
        level = levels[order.index(label.x) % len(levels)]
        text = axes.text(label.x, 1 + level * space, label.text, fontweight="bold", ha="center")
        text.set_gid(f"pin:{number}")
        texts.append(text)
    _, lines = adjust_text(
        texts,
        objects=list(marks),
        target_x=[label.x for label in labels],
        target_y=[label.y for label in labels],
        ax=axes,
        expand=(1.05, 1.3),
        iter_lim=ITERATIONS,
        arrowprops={"arrowstyle": "-", "color": line_colour, "linewidth": 0.8},
        **FORCES,
    )
    placed: list[Bbox] = []
    for text in texts:
        box = text.get_window_extent()
        if any(box.overlaps(other) for other in placed):
            text.set_visible(False)
            for line in lines:
                line.set_visible(line.get_visible() and line.patchA is not text)
        else:
            placed.append(box)
