"""Writes a generated field with boxes of its leucocytes, in the layout of BCCD."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from .generated_cells import draw_smear, grid_places

WIDTH, HEIGHT = 900, 700
SIDE = 140  # pixels of a box
KINDS = ("blast", "lymphocyte", "neutrophil", "blast")
BOXED = 3  # the last leucocyte has no box, as some of BCCD


def write_bccd(root: Path) -> list[tuple[float, float]]:
    """Write one field with four leucocytes, and return the places of the three that have a box.

    Its file also has a box of an erythrocyte, and one of a leucocyte that is one pixel wide.
    """
    places = grid_places(KINDS, 2, WIDTH, HEIGHT)
    for folder in ("JPEGImages", "Annotations"):
        (root / folder).mkdir(parents=True)
    Image.fromarray(draw_smear(places)).save(root / "JPEGImages" / "field.jpg", quality=95)
    boxes = [_box("WBC", x, y, SIDE) for _, x, y in places[:BOXED]]
    boxes += [_box("RBC", 60, 60, 60), _box("WBC", 450, 20, 1)]
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
    text = f"<annotation>{size}{''.join(boxes)}</annotation>"
    (root / "Annotations" / "field.xml").write_text(text, encoding="utf-8")
    return [(x, y) for _, x, y in places[:BOXED]]


def _box(name: str, x: float, y: float, side: float) -> str:
    ends = zip(("xmin", "ymin", "xmax", "ymax"), (-1, -1, 1, 1), (x, y, x, y), strict=True)
    sides = "".join(f"<{key}>{place + sign * side / 2}</{key}>" for key, sign, place in ends)
    return f"<object><name>{name}</name><bndbox>{sides}</bndbox></object>"
