"""Chooses the images that int8 ranges are measured on, and reads a folder of them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import numpy as np

from ...errors import DataError
from ...runtime.cells.settings import CellSettings
from ...runtime.data.class_folders import smear_images
from ...runtime.image_settings import ImageSettings
from ...runtime.imaging import UNKNOWN_CAMERA, load_image
from ..types import Images
from .cell_files import read_cell_file

# More images make every conversion of every fold slower.
MAX_IMAGES = 64
GENERATED = "generated"  # label and camera of cells of generated smears
ENOUGH_IMAGES = 16  # fewer distinct images are named in a warning

T = TypeVar("T")
_NOTHING = object()


def choose_balanced(
    items: Sequence[T], name: Callable[[T], str], kind: Callable[[T], Hashable]
) -> list[T]:
    """Return at most `MAX_IMAGES` of the items, about as many of every kind.

    Parameters
    ----------
    items : sequence
    name : callable
        Returns the name of an item. The choice depends on the hash of the names, not on the order
        of the items.
    kind : callable
        Returns the kind of an item, for example its label and camera.

    Returns
    -------
    list

    Examples
    --------
    >>> choose_balanced(["a1", "a2", "b1"], str, lambda name: name[0])[:2]
    ['a2', 'b1']
    """
    queues: dict[Hashable, list[T]] = defaultdict(list)
    for item in sorted(items, key=lambda item: hashlib.sha256(name(item).encode()).digest()):
        queues[kind(item)].append(item)
    rounds = zip_longest(*(queues[key] for key in sorted(queues, key=repr)), fillvalue=_NOTHING)
    chosen = [item for items in rounds for item in items if item is not _NOTHING]
    return chosen[:MAX_IMAGES]  # type: ignore[return-value]


def in_turn(first: Images, second: Images) -> Images:
    """Return the first images of both in turn, at most `MAX_IMAGES`."""
    count = min(MAX_IMAGES // 2, len(first), len(second))
    mixed: Images = np.stack([first[:count], second[:count]], axis=1)
    return mixed.reshape(-1, *first.shape[1:])


@dataclass(frozen=True)
class CalibrationImages:
    """Images that int8 ranges are measured on, and what is known of them.

    Parameters
    ----------
    images : (N, S, S, 3) ndarray of uint8
    labels : tuple of str
        Of each image; of a folder that the user named, the folder that holds the image; of a cell
        of a generated smear, `GENERATED`.
    cameras : tuple of str
        Of each image.
    """

    images: Images
    labels: tuple[str, ...]
    cameras: tuple[str, ...]

    def warnings(self) -> list[str]:
        """Return why ranges measured on these images may be wrong; empty where nothing is known.

        Generated cells do not count: they say nothing about the images that the model is for.

        Examples
        --------
        >>> one = np.zeros((20, 8, 8, 3), np.uint8)
        >>> CalibrationImages(one, ("blast",) * 20, ("unknown",) * 20).warnings()
        ['the 20 calibration images are copies of one image']
        """
        own = [row for row, label in enumerate(self.labels) if label != GENERATED]
        count, distinct = len(own), len({self.images[row].tobytes() for row in own})
        if distinct == 1 and count > 1:
            return [f"the {count} calibration images are copies of one image"]
        warnings = []
        if distinct < ENOUGH_IMAGES:
            warnings.append(
                f"only {distinct} distinct calibration images, fewer than {ENOUGH_IMAGES}: "
                "int8 ranges may miss what other images need"
            )
        if count > distinct:
            warnings.append(f"{count - distinct} of {count} calibration images are copies")
        for name, values in (("label", self.labels), ("camera", self.cameras)):
            kinds = {values[row] for row in own}
            if len(kinds) == 1 and UNKNOWN_CAMERA not in kinds:
                warnings.append(f"all calibration images have the {name} {kinds.pop()!r}")
        return warnings


def load_folder(folder: Path, settings: ImageSettings) -> CalibrationImages:
    """Return images of a folder that the user named for calibration; any layout will do.

    Parameters
    ----------
    folder : Path
    settings : ImageSettings

    Returns
    -------
    CalibrationImages
        At most `MAX_IMAGES`.

    Raises
    ------
    DataError
        If the folder holds no image.
    ImageError
        If one cannot be read.
    """
    chosen = _chosen_paths(folder)
    loaded = [load_image(path, settings) for path in chosen]
    return CalibrationImages(
        np.stack([pixels for pixels, _ in loaded]),
        tuple(path.parent.name for path in chosen),
        tuple(header.camera for _, header in loaded),
    )


def load_cell_folder(folder: Path, settings: CellSettings) -> CalibrationImages:
    """Return cells of the images in a folder that the user named for the calibration of cells.

    Parameters
    ----------
    folder : Path
    settings : CellSettings

    Returns
    -------
    CalibrationImages
        At most `MAX_IMAGES` cells, about as many of every image.

    Raises
    ------
    DataError
        If the folder holds no image, or no cell is found in its images.
    ImageError
        If one cannot be read.
    """
    files = {path: read_cell_file(path, settings) for path in _chosen_paths(folder)}
    cells = [(path, index) for path, (crops, _) in files.items() for index in range(len(crops))]
    if not cells:
        raise DataError(
            f"no cell is found in the images of {folder}",
            fix="name a folder of microscope fields, or of images of one cell each",
        )
    chosen = choose_balanced(
        cells,
        lambda cell: f"{cell[0].relative_to(folder).as_posix()}#{cell[1]}",
        lambda cell: cell[0],
    )
    return CalibrationImages(
        np.stack([files[path][0][index] for path, index in chosen]),
        tuple(path.parent.name for path, _ in chosen),
        tuple(files[path][1] for path, _ in chosen),
    )


def _chosen_paths(folder: Path) -> list[Path]:
    """Return at most `MAX_IMAGES` images of a folder, about as many of every folder in it."""
    paths = smear_images(folder)
    if not paths:
        raise DataError(f"{folder} has no images to calibrate on", fix="name a folder of smears")
    return choose_balanced(
        paths, lambda path: path.relative_to(folder).as_posix(), lambda path: path.parent
    )
