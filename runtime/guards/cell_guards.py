"""Guards of cell models: statistics of crops and of whole fields; numpy and Pillow only.

A crop is compared with the crops of training cells, and the picture of a field with those of the
training fields. The size of a field in pixels is no statistic: the search for cells finds the
scale of a field by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from .fitting import fit_guards
from .image_statistics import SIZE, image_statistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..imaging import Header
    from ..types import RGB, GuardsRecord, Statistics
    from .guards import Guards

FIELD_SIDE = 224  # pixels of the square whose statistics are compared
MAX_CROPS = 4000  # more training cells make no difference, and take a millisecond each


def field_statistics(rgb: RGB, header: Header | None = None) -> Statistics:
    """Return the statistics of a whole field for its guards.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8
        The upright field, as `load_field` returns it.
    header : Header, optional

    Returns
    -------
    dict
        As `image_statistics` of the field as a square of 224 pixels, without its size.
    """
    side = (FIELD_SIDE, FIELD_SIDE)
    square = np.asarray(Image.fromarray(rgb).resize(side, Image.Resampling.BILINEAR))
    statistics = image_statistics(square, header)
    statistics.pop(SIZE, None)
    return statistics


def fit_cell_guards(crops: NDArray[np.uint8], seed: int = 0) -> GuardsRecord | None:
    """Return what is usual among the crops of the training cells: the ``guards`` of a cell bundle.

    Parameters
    ----------
    crops : (N, S, S, 3) ndarray of uint8
        As `crop_cells` returns them. Of more than `MAX_CROPS`, a random part is used.
    seed : int

    Returns
    -------
    dict or None
        As `fit_guards`; None where there are fewer than 16 crops.
    """
    rows = np.arange(len(crops))
    if len(rows) > MAX_CROPS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MAX_CROPS, replace=False))
    return fit_guards([image_statistics(crops[row]) for row in rows])


def fit_field_guards(statistics: Sequence[Statistics]) -> GuardsRecord | None:
    """Return what is usual among the training fields: the ``field_guards`` of a cell bundle.

    Parameters
    ----------
    statistics : sequence of dict
        What `field_statistics` returned for each training field.

    Returns
    -------
    dict or None
        As `fit_guards`; None where there are fewer than 16 fields.
    """
    return fit_guards(statistics)


def unfamiliar_crops(guards: Guards, crops: NDArray[np.uint8]) -> list[bool]:
    """Return for each crop whether the guards of the cells flag it.

    Parameters
    ----------
    guards : Guards
        Of `fit_cell_guards`.
    crops : (N, S, S, 3) ndarray of uint8
    """
    if not guards.active:
        return [False] * len(crops)
    return [bool(guards.flags(image_statistics(crop))) for crop in crops]
