"""Cells of generated smears, on which the int8 ranges of a cell model are measured too."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..runtime.cells.field_cells import find_cells
from ..runtime.cells.settings import CellSettings
from ..train.phantom.smears import draw_field
from .convert.calibration_images import GENERATED, MAX_IMAGES, CalibrationImages, in_turn
from .types import Images

SEED = 20_211  # not that of the references of a bundle
FIELDS, FIELD_PX = 24, 640
CELLS = MAX_IMAGES // 2
CELLS_A_FIELD = 2  # so that every kind, stain and light of the smears is among them


@lru_cache(maxsize=4)
def draw_calibration_cells(settings: CellSettings) -> Images:
    """Return cells of generated fields with and without blasts; takes some seconds.

    They show stains and lights that the training images do not have. Ranges and biases that are
    right for them too cost less on a camera that is not among those of training.

    Parameters
    ----------
    settings : CellSettings

    Returns
    -------
    (N, S, S, 3) ndarray of uint8
        At most 32; none if the settings find no cell in such fields.
    """
    cells: list[Images] = []
    for index in range(FIELDS):
        field = np.asarray(draw_field(SEED, index, index % 2 == 1, size=FIELD_PX)[0])
        crops = find_cells(field, settings).crops
        order = np.random.default_rng([SEED, index]).permutation(len(crops))
        cells += [crops[number] for number in order[:CELLS_A_FIELD]]
        if len(cells) >= CELLS:
            break
    size = settings.crop.size
    drawn = np.stack(cells[:CELLS]) if cells else np.empty((0, size, size, 3), np.uint8)
    drawn.flags.writeable = False  # it is kept
    return drawn


def with_generated(own: CalibrationImages, cells: Images) -> CalibrationImages:
    """Return calibration images and generated cells in turn.

    Parameters
    ----------
    own : CalibrationImages
    cells : (N, S, S, 3) ndarray of uint8

    Returns
    -------
    CalibrationImages
        As many of both, together at most `MAX_IMAGES`; `own` if there are no cells.
    """
    mixed = in_turn(own.images, cells)
    count = len(mixed) // 2
    if not count:
        return own
    return CalibrationImages(
        mixed,
        tuple(label for name in own.labels[:count] for label in (name, GENERATED)),
        tuple(camera for name in own.cameras[:count] for camera in (name, GENERATED)),
    )
