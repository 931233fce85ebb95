"""Which cells the int8 ranges of the networks of a camera split are measured on, by name.

Every choice gives as many cells as an export would. No label is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ....errors import UsageError
from ....export.convert.calibration_images import (
    MAX_IMAGES,
    choose_balanced,
    in_turn,
    load_cell_folder,
)
from ....export.source_cells import cell_settings
from ....export.source_run import RunImages
from ....export.types import Images, Mask
from ....train.fitting.augmentation import Augmentation, augment
from ....train.runs.run_folder import Run
from .unseen_cameras import unseen_cells

EXPORT, TRAINING = "export", "training"
AUGMENTED, HALF, WIDE = "augmented", "half-augmented", "widely-augmented"
OTHERS, COMMISSIONED = "other-microscopes", "commissioned"
SOURCES = (EXPORT, TRAINING, AUGMENTED, HALF, WIDE, OTHERS, COMMISSIONED)
# Of ``widely-augmented``, how many times as far as in training each change may go.
WIDER = 2
CHANGES = ("scale", "brightness", "stain", "blur", "white_point")

# From the number of a fold to parts of the cells that test it, and what each is calibrated on.
Halves = Callable[[int], list[tuple[Mask, Images]]]


def calibration_halves(
    name: str, run: Run, images: RunImages, folders: Sequence[Path] = ()
) -> Halves:
    """Return what the networks of the folds are calibrated on.

    Parameters
    ----------
    name : str
        Of `SOURCES`. ``export``: as an export calibrates. ``commissioned``: half of the cells are
        cells of the camera that the fold tests, of groups of fields other than those that are
        scored.
    run : Run
    images : RunImages
    folders : sequence of Path
        Images of ``other-microscopes``, which give half of the cells.

    Raises
    ------
    UsageError
        If ``other-microscopes`` has no folder.
    """
    if name == OTHERS and not folders:
        raise UsageError(f"{OTHERS} without a folder", fix="--cells DIR")
    if name == EXPORT:
        return lambda fold: [(_all_tested(images, fold), images.calibration_images(fold).images)]
    images = replace(images, cell_settings=None)
    if name == COMMISSIONED:
        return lambda fold: commissioned_halves(run, images, fold)
    limits = Augmentation(**run.record["recipe"]["augmentation"])
    others: Images | None = None
    if name == OTHERS:
        parts = [load_cell_folder(folder, cell_settings(run)).images for folder in folders]
        others = np.concatenate([part[: MAX_IMAGES // 2 // len(parts)] for part in parts])

    def whole(fold: int) -> list[tuple[Mask, Images]]:
        cells = images.calibration_images(fold).images
        if others is not None:
            cells = in_turn(cells, others)
        elif name == AUGMENTED:
            cells = augmented_copies(cells, limits)
        elif name == WIDE:
            wider = {change: WIDER * getattr(limits, change) for change in CHANGES}
            cells = augmented_copies(cells, replace(limits, **wider))
        elif name == HALF:
            cells = in_turn(cells[::2], augmented_copies(cells, limits)[1::2])
        return [(_all_tested(images, fold), cells)]

    return whole


def commissioned_halves(run: Run, images: RunImages, fold: int) -> list[tuple[Mask, Images]]:
    """Return two halves of the tested cells, each with cells of the other half's groups."""
    camera, _ = unseen_cells(images, run, fold)
    tested = images.tested_images(fold)
    groups = sorted({images.groups[index] for index in tested})
    in_first = np.isin([images.groups[index] for index in tested], groups[::2])
    halves = []
    for half in (in_first, ~in_first):
        chosen = choose_balanced(
            [int(index) for index in tested[~half] if images.cameras[index] == camera],
            lambda index: images.names[index],
            lambda index: images.names[index].rpartition("#")[0],
        )
        own = images.calibration_images(fold).images
        halves.append((half, in_turn(own, images.images[np.array(chosen, dtype=np.int64)])))
    return halves


def _all_tested(images: RunImages, fold: int) -> Mask:
    return np.ones(len(images.tested_images(fold)), dtype=bool)


def augmented_copies(images: Images, limits: Augmentation) -> Images:
    """Return a copy of each image, changed at random as in training.

    Parameters
    ----------
    images : (N, S, S, 3) ndarray of uint8
    limits : Augmentation

    Returns
    -------
    (N, S, S, 3) ndarray of uint8
        The same for the same images.
    """
    copies = [
        augment(image, limits, seed=0, epoch=0, sample=number)
        for number, image in enumerate(images)
    ]
    return np.stack(copies)
