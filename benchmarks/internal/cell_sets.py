"""Fields with known cells: ALL-IDB1, BCCD, JTSC, CellaVision, Chula and pig smears."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...runtime.data.box_files import read_voc_boxes

Floats = NDArray[np.float64]
MIN_BOX = 10  # pixels of a side: BCCD has a box that is one pixel wide
OLYMPUS_WIDTH = 1712  # pixels of the fields of one of ALL-IDB1's two cameras


@dataclass(frozen=True)
class Truth:
    """The cells of one field, in pixels of the upright original.

    Parameters
    ----------
    image : Path
    group : str
        The rows are tallied by group.
    boxes : (N, 4) ndarray of float
        Left, top, right and bottom of each cell.
    points : (N, 2) ndarray of float
        Centres of nuclei, where there are no boxes.
    leucocytes : (M, 2) ndarray of float
        Centres of further leucocytes, which are neither sought nor false.
    others : (K, 2) ndarray of float
        Centres of stained bodies that are no leucocytes: smudges, platelets and deposits.
    mask : Path, optional
        The one cell of the field, not 0 in its pixels.
    is_complete : bool
        Whether a detection elsewhere is false.
    """

    image: Path
    group: str
    boxes: Floats = field(default_factory=lambda: np.zeros((0, 4)))
    points: Floats = field(default_factory=lambda: np.zeros((0, 2)))
    leucocytes: Floats = field(default_factory=lambda: np.zeros((0, 2)))
    others: Floats = field(default_factory=lambda: np.zeros((0, 2)))
    mask: Path | None = None
    is_complete: bool = True


def all_idb1(root: Path) -> Iterator[Truth]:
    """Yield the fields of ALL-IDB1: blasts of .xyc, other leucocytes of docs/all-idb1-cells.csv."""
    named: dict[tuple[str, str], list[tuple[float, float]]] = {}
    table = Path(__file__).parents[2] / "docs" / "all-idb1-cells.csv"
    lines = [line for line in table.read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    for row in csv.DictReader(lines):
        place = (float(row["x"]), float(row["y"]))
        named.setdefault((row["image"], row["label"]), []).append(place)
    for image in sorted((root / "im").glob("*.jpg")):
        text = (root / "xyc" / f"{image.stem}.xyc").read_text(encoding="utf-8").split()
        with Image.open(image) as opened:
            camera = "Olympus" if opened.width == OLYMPUS_WIDTH else "Canon"
        kind = "healthy" if image.stem.endswith("_0") else "blasts"
        yield Truth(
            image,
            f"{camera}, {kind}",
            points=np.array(text, float).reshape(-1, 2),
            leucocytes=np.array(named.get((image.name, "leucocyte"), [])).reshape(-1, 2),
            others=np.array(named.get((image.name, "other"), [])).reshape(-1, 2),
        )


def bccd(root: Path) -> Iterator[Truth]:
    """Yield the fields of BCCD. Some of its leucocytes have no box."""
    for file in sorted((root / "BCCD" / "Annotations").glob("*.xml")):
        boxes = [
            [
                box.x - box.width / 2,
                box.y - box.height / 2,
                box.x + box.width / 2,
                box.y + box.height / 2,
            ]
            for box in read_voc_boxes(file)
            if box.label == "WBC"
        ]
        image = root / "BCCD" / "JPEGImages" / f"{file.stem}.jpg"
        yield Truth(image, "BCCD", boxes=_large(np.array(boxes).reshape(-1, 4)))


def segmented(root: Path) -> Iterator[Truth]:
    """Yield the crops of JTSC (Dataset 1) and CellaVision (Dataset 2): one cell each."""
    for folder, group in (("Dataset 1", "JTSC"), ("Dataset 2", "CellaVision")):
        for image in sorted((root / folder).glob("*.bmp")):
            yield Truth(image, group, mask=image.with_suffix(".png"))


def chula(root: Path) -> Iterator[Truth]:
    """Yield the fields of Chula RBC-12, whose leucocytes nobody counted."""
    for image in sorted((root / "Dataset").glob("*.jpg")):
        yield Truth(image, "Chula", is_complete=False)


def pig(root: Path) -> Iterator[Truth]:
    """Yield the pig smears: photographs by a telephone through the eyepiece."""
    for image in sorted(root.glob("*/images/*.jpg")):
        label = image.parents[1] / "labels" / f"{image.stem}.txt"
        rows = np.array(label.read_text(encoding="utf-8").split(), float).reshape(-1, 5)[:, 1:]
        with Image.open(image) as opened:
            size = np.array(opened.size * 2)
        corners = np.hstack([rows[:, :2] - rows[:, 2:] / 2, rows[:, :2] + rows[:, 2:] / 2])
        yield Truth(image, "pig", boxes=corners * size)


def _large(boxes: Floats) -> Floats:
    """Return the boxes that have an area."""
    return boxes[np.all(boxes[:, 2:] - boxes[:, :2] >= MIN_BOX, axis=1)]


SETS: dict[str, Callable[[Path], Iterator[Truth]]] = {
    "all-idb1": all_idb1,
    "bccd": bccd,
    "segmented": segmented,
    "chula": chula,
    "pig": pig,
}
