"""Generated blood smears in ALL-IDB1's own layout: places cells, lights and photographs them.

For the demo, the tests and anyone without ALL-IDB. Imports numpy and Pillow only, so that a
pool of single fields is cheap. Every random choice is a function of (seed, index).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import ExifTags, Image

from ... import __version__
from ...errors import DataError, UsageError
from ...runtime.data.datasets import GENERATED_MARK
from .cell_kinds import BLAST, NORMAL, Leucocyte
from .cells import (
    ERYTHROCYTE_UM,
    Canvas,
    Floats,
    draw_erythrocyte,
    draw_leucocyte,
    draw_platelet,
    draw_smudge,
)
from .optics import CAMERAS, Camera, photograph

Centroids = list[tuple[float, float]]

DEFAULT_IMAGES = 200
DEFAULT_SIZE = 640  # px, width of a field of the first camera
MIN_IMAGES, MIN_SIZE, MAX_SIZE = 4, 96, 4096
JPEG_QUALITY = 92
MAKE = "alledge"
# Both kinds of field stain the same area of nuclei, or colour alone would tell them apart.
NUCLEI_UM2 = (110.0, 260.0)
BYSTANDERS = 3  # normal leucocytes in either kind of field, at most
SMUDGES, PLATELETS = 0.6, 6.0  # mean counts in a field
CROWDING = (0.34, 0.56)  # share of the field that red cells would cover, none refused
SMUDGE_UM = (5.0, 7.5)  # radius of a burst nucleus


def draw_field(
    seed: int,
    index: int,
    blast: bool,
    *,
    camera: Camera | None = None,
    size: int = DEFAULT_SIZE,
) -> tuple[Image.Image, Centroids]:
    """Return one field of view.

    Parameters
    ----------
    seed, index : int
        ≥ 0; the field is a function of the two (and of the arguments below).
    blast : bool
        Whether lymphoblasts are among its leucocytes.
    camera : Camera, optional
        A row of `CAMERAS`; drawn at random where it is not given.
    size : int
        Width in pixels of the first camera's field; the other's is in proportion.

    Returns
    -------
    image : PIL.Image.Image
        RGB.
    centroids : list of (float, float)
        Pixels (x, y) of the blasts, empty in a healthy field.
    """
    rng = np.random.default_rng([seed, index])
    drawn = CAMERAS[int(rng.integers(len(CAMERAS)))]
    camera = camera or drawn
    width, height = round(camera.width * size), round(camera.height * size)
    canvas = Canvas(width, height, width / camera.field_um * float(rng.uniform(0.94, 1.07)))
    cells = _leucocytes(rng, canvas, blast)
    taken = np.array([(c.x, c.y, c.diameter / 2) for c in cells], np.float32)
    _erythrocytes(rng, canvas, _smudges(rng, canvas, taken))
    for _ in range(rng.poisson(PLATELETS * rng.gamma(1.5) / 1.5)):
        draw_platelet(canvas, rng, rng.uniform(0, width), rng.uniform(0, height))
    for cell in cells:
        draw_leucocyte(canvas, rng, cell.kind, cell.x, cell.y, cell.diameter)
    return photograph(rng, canvas, camera), [(c.x, c.y) for c in cells if c.kind is BLAST]


@dataclass(frozen=True)
class _Placed:
    kind: Leucocyte
    x: float
    y: float
    diameter: float


def _leucocytes(rng: np.random.Generator, canvas: Canvas, blast: bool) -> list[_Placed]:
    """Choose and place white cells.

    First those that make the field what it is, until their nuclei cover the area drawn for it;
    then a few normal ones that either kind of field has.
    """
    wanted, covered = rng.uniform(*NUCLEI_UM2), 0.0
    placed: list[_Placed] = []
    while True:
        kind = BLAST if blast else _normal(rng)
        diameter_um = rng.uniform(*kind.diameter_um)
        area = np.pi / 4 * diameter_um**2 * sum(kind.nucleus) / 2
        if placed and covered + area / 2 > wanted:
            break
        covered += area
        _place(rng, canvas, placed, kind, diameter_um)
    for _ in range(int(rng.integers(BYSTANDERS + 1))):
        kind = _normal(rng)
        _place(rng, canvas, placed, kind, rng.uniform(*kind.diameter_um))
    return placed


def _normal(rng: np.random.Generator) -> Leucocyte:
    kinds, shares = list(NORMAL), list(NORMAL.values())
    return kinds[int(rng.choice(len(kinds), p=shares))]


def _place(
    rng: np.random.Generator,
    canvas: Canvas,
    placed: list[_Placed],
    kind: Leucocyte,
    diameter_um: float,
) -> None:
    """Put a white cell where it lies in the field beside the others; leave it out if it cannot."""
    diameter = diameter_um * canvas.px_per_um
    margin = 0.45 * diameter
    for _ in range(60):
        x = float(rng.uniform(margin, canvas.width - margin))
        y = float(rng.uniform(margin, canvas.height - margin))
        if all(
            np.hypot(x - other.x, y - other.y) > 0.49 * (diameter + other.diameter)
            for other in placed
        ):
            placed.append(_Placed(kind, x, y, diameter))
            return


def _smudges(rng: np.random.Generator, canvas: Canvas, taken: Floats) -> Floats:
    """Lay burst nuclei where there is room; return `taken` with them."""
    for _ in range(rng.poisson(SMUDGES)):
        x, y = rng.uniform(0, canvas.width), rng.uniform(0, canvas.height)
        radius = rng.uniform(*SMUDGE_UM) * canvas.px_per_um
        if np.all(np.hypot(taken[:, 0] - x, taken[:, 1] - y) > taken[:, 2] + radius):
            draw_smudge(canvas, rng, x, y, radius)
            taken = np.vstack([taken, np.array([x, y, 0.7 * radius], np.float32)])
    return taken


def _erythrocytes(rng: np.random.Generator, canvas: Canvas, taken: Floats) -> None:
    """Lay red cells beside what is taken, a few of them over each other, some cut by the edge."""
    mean = ERYTHROCYTE_UM / 2 * canvas.px_per_um
    pallor, overlap = rng.uniform(0.2, 0.7), rng.uniform(1.5, 2.0)
    low, high = -1.2 * mean, np.array([canvas.width, canvas.height]) + 1.2 * mean
    count = int(rng.uniform(*CROWDING) * np.prod(high) / (np.pi * mean**2))
    red = np.empty((0, 2))
    for _ in range(count):
        for x, y in rng.uniform(low, high, (12, 2)):
            white = np.hypot(taken[:, 0] - x, taken[:, 1] - y) - taken[:, 2]
            apart = np.hypot(red[:, 0] - x, red[:, 1] - y)
            nearest = overlap * mean if rng.random() > 0.03 else 0.7 * mean
            if np.all(white > 0.9 * mean) and np.all(apart > nearest):
                red = np.vstack([red, (x, y)])
                radius = mean * float(np.clip(rng.normal(1, 0.06), 0.8, 1.2))
                hollow = float(np.clip(rng.normal(pallor, 0.12), 0, 0.95))
                draw_erythrocyte(canvas, rng, x, y, radius, hollow)
                break


def generate(
    out: str | Path,
    *,
    images: int = DEFAULT_IMAGES,
    seed: int = 0,
    size: int = DEFAULT_SIZE,
    camera_bias: float = 0.0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a data set of generated smears in ALL-IDB1's layout, half of them with blasts.

    Parameters
    ----------
    out : str or Path
        A new or empty folder; it appears only when the set is whole.
    images : int
        ≥ 4, so that both cameras have both labels.
    seed : int
        ≥ 0; the same seed gives the same bytes with the same numpy and Pillow on the same kind
        of CPU. With other vector instructions a few pixels in a million differ by one grey level.
    size : int
        Width in pixels of the first camera's fields, 96 to 4096.
    camera_bias : float
        0: the camera says nothing of the label; 1: it gives it away, as it nearly does in
        ALL-IDB1.
    progress : callable, optional
        Called with (written, images) after every image.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    UsageError
        If a number is out of its range.
    DataError
        If `out` is there already and not an empty folder.
    """
    out = Path(out)
    _check(images, seed, size, camera_bias)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} is there already", fix="name a new folder, or remove that one")
    building = out.with_name(out.name + ".part")
    shutil.rmtree(building, ignore_errors=True)
    for folder in ("im", "xyc"):
        (building / folder).mkdir(parents=True)
    for index, (blast, camera) in enumerate(_deal(images, seed, camera_bias), start=1):
        _write(building, seed, index, blast, camera, size)
        if progress is not None:
            progress(index, images)
    settings: dict[str, Any] = {
        "schema": "alledge/phantom",
        "schema_version": 1,
        "note": "generated smears, no patient's blood; not for diagnosis",
        "seed": seed,
        "images": images,
        "size": size,
        "camera_bias": camera_bias,
        "versions": {"alledge": __version__, "numpy": np.__version__, "pillow": PIL.__version__},
    }
    text = json.dumps(settings, indent=2) + "\n"
    (building / GENERATED_MARK).write_text(text, encoding="utf-8")
    if out.exists():
        out.rmdir()
    building.replace(out)
    return out


def _check(images: int, seed: int, size: int, camera_bias: float) -> None:
    for name, value, low, high in (
        ("images", images, MIN_IMAGES, 999_999),
        ("seed", seed, 0, 2**63 - 1),
        ("size", size, MIN_SIZE, MAX_SIZE),
        ("camera_bias", camera_bias, 0, 1),
    ):
        if not low <= value <= high:
            raise UsageError(f"{name} is {value}", allowed=f"{low} to {high}")


def _deal(images: int, seed: int, camera_bias: float) -> list[tuple[bool, Camera]]:
    """Return label and camera of every image: half and half of each, in a seeded order."""
    dealt: list[tuple[bool, Camera]] = []
    for blast, count in ((True, images // 2), (False, images - images // 2)):
        second = round(count * (0.5 + (0.5 if blast else -0.5) * camera_bias))
        dealt += [(blast, CAMERAS[1])] * second + [(blast, CAMERAS[0])] * (count - second)
    order: NDArray[np.intp] = np.random.default_rng([seed, 0]).permutation(images)
    return [dealt[place] for place in order]


def _write(root: Path, seed: int, index: int, blast: bool, camera: Camera, size: int) -> None:
    image, centroids = draw_field(seed, index, blast, camera=camera, size=size)
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = MAKE, camera.model
    stem = f"Im{index:03d}_{int(blast)}"
    image.save(root / "im" / f"{stem}.jpg", quality=JPEG_QUALITY, exif=exif)
    rows = "".join(f"{round(x)}\t{round(y)}\n" for x, y in centroids)
    (root / "xyc" / f"{stem}.xyc").write_text(rows, encoding="ascii", newline="\n")
