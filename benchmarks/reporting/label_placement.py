"""Names put beside the marks of a picture so that none lies upon another; no SVG of the marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

Box = tuple[float, float, float, float]  # left, top, right, bottom

WIDTH, HEIGHT = 7.6, 14.0  # pixels of a character, and of a line
AWAY = (14, 28, 42, 56, 70, 84, 98)  # pixels from the mark, tried one after the other
ASIDE = (0, 20, -20, 40, -40, 60, -60, 80, -80)  # pixels to the side, no more than away
NEAR = 8  # from further away a line leads to the mark


def place(
    wanted: Iterable[tuple[str, float, float, float]], marks: Sequence[Box], room: Box
) -> list[str]:
    """Return the names as SVG text, each at the nearest free place; one without any is left out.

    Parameters
    ----------
    wanted : iterable of (str, float, float, float)
        The name, and the mark's middle and radius; the most important first.
    marks : sequence of Box
        What no name may cover.
    room : Box
        What no name may leave.
    """
    taken, parts = list(marks), []
    for text, x, y, r in wanted:
        for box in _places(len(text) * WIDTH, x, y, r):
            if _inside(box, room) and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                parts += _draw(text, box, x, y, r)
                break
    return parts


def _places(width: float, x: float, y: float, r: float) -> Iterable[Box]:
    """Yield boxes for a name: beside the mark, then further and further above it, then below."""
    for left in (x + r + 4, x - r - 4 - width):
        yield left, y - HEIGHT / 2, left + width, y + HEIGHT / 2
    for way in (-1, 1):
        for away in (step for step in AWAY if step >= r + HEIGHT / 2):
            middle = y + way * away
            for aside in (step for step in ASIDE if abs(step) <= away):
                left = x - width / 2 + aside
                yield left, middle - HEIGHT / 2, left + width, middle + HEIGHT / 2


def _draw(text: str, box: Box, x: float, y: float, r: float) -> list[str]:
    left, top, right, bottom = box
    parts = []
    if top - y > NEAR or y - bottom > NEAR:
        end = top if top > y else bottom
        start, at = y + r if top > y else y - r, min(max(x, left + 4), right - 4)
        parts.append(f'<line class="lead" x1="{x}" x2="{at:.1f}" y1="{start:.1f}" y2="{end:.1f}"/>')
    parts.append(
        f'<text class="pin" x="{(left + right) / 2:.1f}" y="{(top + bottom) / 2 + 4:.1f}" '
        f'text-anchor="middle">{escape(text)}</text>'
    )
    return parts


def _inside(box: Box, room: Box) -> bool:
    return box[0] >= room[0] and box[1] >= room[1] and box[2] <= room[2] and box[3] <= room[3]


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
