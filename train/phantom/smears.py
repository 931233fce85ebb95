"""Generates blood smears in the layout of ALL-IDB1, for the demo, the tests and trying alledge.

Imports numpy and Pillow only, so that generating single fields needs little time and memory. Every
random choice is a function of (seed, index).
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import ExifTags, Image

from ... import __version__
from ...errors import DataError, UsageError
from ...runtime.data.datasets import GENERATED_MARK
from ...runtime.interrupts import on_end
from ...runtime.outputs import make_folder
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
DEFAULT_SIZE = 640  # pixels: width of a field of the first camera
MIN_IMAGES, MIN_SIZE, MAX_SIZE = 4, 96, 4096
JPEG_QUALITY = 92
MAKE = "alledge"
# Area of nuclei in a field, the same with and without blasts. Otherwise the colour of a field would
# give its label away.
NUCLEI_UM2 = (110.0, 260.0)
MAX_EXTRA_CELLS = 3  # normal leucocytes that any field may have in addition
SMUDGES, PLATELETS = 0.6, 6.0  # mean numbers in a field
CROWDING = (0.34, 0.56)  # share of the field that the red cells would cover if all found a place
SMUDGE_UM = (5.0, 7.5)  # radius of a burst nucleus


def draw_field(
    seed: int, index: int, blast: bool, *, camera: Camera | None = None, size: int = DEFAULT_SIZE
) -> tuple[Image.Image, Centroids]:
    """Return one field of view.

    Parameters
    ----------
    seed, index : int
        >= 0. The same arguments give the same field.
    blast : bool
        Whether the field has lymphoblasts.
    camera : Camera, optional
        A row of `CAMERAS`. Chosen at random by default.
    size : int
        Width of the first camera's field, in pixels. The other camera's is in proportion.

    Returns
    -------
    image : PIL.Image.Image
        RGB.
    centroids : list of (float, float)
        Positions (x, y) of the blasts, in pixels. Empty in a healthy field.

    Examples
    --------
    >>> image, centroids = draw_field(seed=0, index=1, blast=False, size=320)
    >>> image.mode, centroids
    ('RGB', [])
    """
    rng = np.random.default_rng([seed, index])
    # drawn even if a camera is given, so that the later random numbers are the same
    random_camera = CAMERAS[int(rng.integers(len(CAMERAS)))]
    camera = camera or random_camera
    width, height = round(camera.width * size), round(camera.height * size)
    canvas = Canvas(width, height, width / camera.field_um * float(rng.uniform(0.94, 1.07)))
    cells = _choose_leucocytes(rng, canvas, blast)
    # (N, 3): centre and radius of each white cell, in pixels
    occupied = np.array([(c.x, c.y, c.diameter / 2) for c in cells], np.float32)
    occupied = _draw_smudges(rng, canvas, occupied)
    _draw_erythrocytes(rng, canvas, occupied)
    for _ in range(rng.poisson(PLATELETS * rng.gamma(1.5) / 1.5)):
        draw_platelet(canvas, rng, rng.uniform(0, width), rng.uniform(0, height))
    for cell in cells:
        draw_leucocyte(canvas, rng, cell.kind, cell.x, cell.y, cell.diameter)
    return photograph(rng, canvas, camera), [(c.x, c.y) for c in cells if c.kind is BLAST]


@dataclass(frozen=True)
class _WhiteCell:
    """A white cell with its position and diameter in pixels."""

    kind: Leucocyte
    x: float
    y: float
    diameter: float


def _choose_leucocytes(rng: np.random.Generator, canvas: Canvas, blast: bool) -> list[_WhiteCell]:
    """Return the white cells of a field with their positions.

    First blasts, or normal cells in a healthy field, until their nuclei cover a random area. Then
    a few normal cells, as in any field.
    """
    target_area, covered = rng.uniform(*NUCLEI_UM2), 0.0
    cells: list[_WhiteCell] = []
    while True:
        kind = BLAST if blast else _random_normal_kind(rng)
        diameter_um = rng.uniform(*kind.diameter_um)
        area = np.pi / 4 * diameter_um**2 * sum(kind.nucleus_share) / 2
        if cells and covered + area / 2 > target_area:
            break
        covered += area
        cells += _place(rng, canvas, cells, kind, diameter_um)
    for _ in range(int(rng.integers(MAX_EXTRA_CELLS + 1))):
        kind = _random_normal_kind(rng)
        cells += _place(rng, canvas, cells, kind, rng.uniform(*kind.diameter_um))
    return cells


def _random_normal_kind(rng: np.random.Generator) -> Leucocyte:
    kinds, shares = list(NORMAL), list(NORMAL.values())
    return kinds[int(rng.choice(len(kinds), p=shares))]


def _place(
    rng: np.random.Generator,
    canvas: Canvas,
    others: list[_WhiteCell],
    kind: Leucocyte,
    diameter_um: float,
) -> list[_WhiteCell]:
    """Return a white cell at a random free position, or nothing if 60 attempts find none."""
    diameter = diameter_um * canvas.px_per_um
    margin = 0.45 * diameter
    for _ in range(60):
        x = float(rng.uniform(margin, canvas.width - margin))
        y = float(rng.uniform(margin, canvas.height - margin))
        if all(
            np.hypot(x - other.x, y - other.y) > 0.49 * (diameter + other.diameter)
            for other in others
        ):
            return [_WhiteCell(kind, x, y, diameter)]
    return []


def _draw_smudges(rng: np.random.Generator, canvas: Canvas, occupied: Floats) -> Floats:
    """Draw burst nuclei at free positions. Return `occupied` with their centres and radii added."""
    for _ in range(rng.poisson(SMUDGES)):
        x, y = rng.uniform(0, canvas.width), rng.uniform(0, canvas.height)
        radius = rng.uniform(*SMUDGE_UM) * canvas.px_per_um
        if np.all(np.hypot(occupied[:, 0] - x, occupied[:, 1] - y) > occupied[:, 2] + radius):
            draw_smudge(canvas, rng, x, y, radius)
            occupied = np.vstack([occupied, np.array([x, y, 0.7 * radius], np.float32)])
    return occupied


def _draw_erythrocytes(rng: np.random.Generator, canvas: Canvas, occupied: Floats) -> None:
    """Draw red cells at free positions. A few overlap each other, some are cut by the edge."""
    mean = ERYTHROCYTE_UM / 2 * canvas.px_per_um
    pallor, overlap = rng.uniform(0.2, 0.7), rng.uniform(1.5, 2.0)
    low, high = -1.2 * mean, np.array([canvas.width, canvas.height]) + 1.2 * mean
    count = int(rng.uniform(*CROWDING) * np.prod(high) / (np.pi * mean**2))
    red = np.empty((0, 2))
    for _ in range(count):
        for x, y in rng.uniform(low, high, (12, 2)):
            white = np.hypot(occupied[:, 0] - x, occupied[:, 1] - y) - occupied[:, 2]
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
        A new or empty folder. It appears only when the data set is complete.
    images : int
        >= 4, so that both cameras have both labels.
    seed : int
        >= 0. The same seed gives the same bytes with the same numpy and Pillow on the same kind
        of CPU. With other vector instructions a few pixels in a million differ by one grey level.
    size : int
        Width of the first camera's fields in pixels, 96 to 4096.
    camera_bias : float
        Dependence of the camera on the label, from 0 (none) to 1 (the camera gives the label
        away, as it nearly does in ALL-IDB1).
    progress : callable, optional
        Called with the number of written images and the number of images after every image.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    UsageError
        If a number is out of range, or the folder above cannot be written.
    DataError
        If `out` exists and is not an empty folder.

    Examples
    --------
    >>> generate("smears", images=8, seed=1)  # doctest: +SKIP
    PosixPath('smears')
    """
    out = Path(out)
    _check(images, seed, size, camera_bias)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} is there already", fix="name a new folder, or remove that one")
    make_folder(out.parent)
    building = out.with_name(f".{out.name}.{os.getpid()}.part")
    shutil.rmtree(building, ignore_errors=True)  # of a killed process with the same number
    building.mkdir()
    with on_end(partial(shutil.rmtree, building, ignore_errors=True)):
        try:
            _write_all(building, images, seed, size, camera_bias, progress)
            if out.exists():
                out.rmdir()
            building.replace(out)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return out


def _write_all(
    building: Path,
    images: int,
    seed: int,
    size: int,
    camera_bias: float,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Write the files of `generate` into an empty folder."""
    for folder in ("im", "xyc"):
        (building / folder).mkdir()
    rows = _labels_and_cameras(images, seed, camera_bias)
    for index, (blast, camera) in enumerate(rows, start=1):
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


def _check(images: int, seed: int, size: int, camera_bias: float) -> None:
    for name, value, low, high in (
        ("images", images, MIN_IMAGES, 999_999),
        ("seed", seed, 0, 2**63 - 1),
        ("size", size, MIN_SIZE, MAX_SIZE),
        ("camera_bias", camera_bias, 0, 1),
    ):
        if not low <= value <= high:
            raise UsageError(f"{name} is {value}", allowed=f"{low} to {high}")


def _labels_and_cameras(images: int, seed: int, camera_bias: float) -> list[tuple[bool, Camera]]:
    """Return whether each image has blasts, and its camera. Half of the images have blasts."""
    rows: list[tuple[bool, Camera]] = []
    for blast, count in ((True, images // 2), (False, images - images // 2)):
        second = round(count * (0.5 + (0.5 if blast else -0.5) * camera_bias))
        rows += [(blast, CAMERAS[1])] * second + [(blast, CAMERAS[0])] * (count - second)
    order: NDArray[np.intp] = np.random.default_rng([seed, 0]).permutation(images)
    return [rows[index] for index in order]


def _write(root: Path, seed: int, index: int, blast: bool, camera: Camera, size: int) -> None:
    image, centroids = draw_field(seed, index, blast, camera=camera, size=size)
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = MAKE, camera.model
    stem = f"Im{index:03d}_{int(blast)}"
    image.save(root / "im" / f"{stem}.jpg", quality=JPEG_QUALITY, exif=exif)
    rows = "".join(f"{round(x)}\t{round(y)}\n" for x, y in centroids)
    (root / "xyc" / f"{stem}.xyc").write_text(rows, encoding="ascii", newline="\n")
