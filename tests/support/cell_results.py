"""Fields with drawn nuclei, and their results, for the tests of the pictures of cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw

from alledge.runtime.cells.field_rule import CellCounts, count_cells
from alledge.runtime.cells.results import CellResult
from alledge.runtime.records import Result

BACKGROUND, NUCLEUS = (225, 220, 205), (80, 40, 120)
POSITIVE = ("blast",)


def cell(
    x: float, y: float, radius: float = 20, label: str = "blast", p: float = 0.9, flags: str = ""
) -> CellResult:
    """Return a cell; a blank separates flags."""
    return CellResult(x, y, radius, label, p, tuple(flags.split()))


def grid(count: int, step: int = 60, columns: int = 10, **given: Any) -> list[CellResult]:
    """Return cells in rows."""
    half = step / 2
    return [
        cell(half + n % columns * step, half + n // columns * step, **given) for n in range(count)
    ]


def draw_nuclei(size: tuple[int, int], cells: Sequence[CellResult]) -> Image.Image:
    """Return a field with a disc for each nucleus."""
    field = Image.new("RGB", size, BACKGROUND)
    pen = ImageDraw.Draw(field)
    for own in cells:
        x, y, r = own.x, own.y, own.radius
        pen.ellipse((x - r, y - r, x + r, y + r), fill=NUCLEUS)
    return field


def field_result(
    cells: Sequence[CellResult] | None, image: str | None = "field.jpg", **changes: Any
) -> Result:
    """Return the result of a field with these cells."""
    own = cells or ()
    numbers = count_cells([c.label for c in own], [c.flags for c in own], POSITIVE)
    counts = CellCounts(numbers.leucocytes, numbers.blasts, more=changes.pop("more", 0))
    is_empty = not counts.leucocytes
    p = 0.9 if counts.blasts else 0.1
    return Result(
        image=image,
        status="review" if is_empty else "ok",
        label=None if is_empty else ("blast" if counts.blasts else "healthy"),
        probability=None if is_empty else p,
        scores=None if is_empty else {"healthy": 1 - p, "blast": p},
        threshold=0.5,
        flags=("too_few_cells",) if is_empty else (),
        bundle="tiny-cell-float32",
        digest="sha256:" + 16 * "0",
        backend="tflite",
        ms=1.0,
        kind="field",
        cells=None if cells is None else tuple(cells),
        counts=counts,
        **changes,
    )
