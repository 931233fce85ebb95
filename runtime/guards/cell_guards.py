"""Guards of cell models: statistics of crops and of whole fields; numpy and Pillow only.

A crop is compared with the crops of the training cells (``guards`` of a cell bundle), and the
picture of a field with those of the training fields (``field_guards``, which `fit_guards` fits).
The size of a field in pixels is no statistic: the search for cells finds the scale of a field by
itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from .image_statistics import SIZE, image_statistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..imaging import Header
    from ..types import RGB, Statistics
    from .guards import Guards

FIELD_SIDE = 224  # pixels of the square whose statistics are compared


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
