"""Which cells have a truth; a data set does not name cells that the edge of the image cuts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .types import CellExamples

CLIPPED = "clipped"


def known_cells(examples: CellExamples) -> NDArray[np.bool_]:
    """Return for each cell whether its truth is known.

    The centroids and boxes of a field leave out nuclei that the edge of the image cuts. In a field
    with blasts, such a cell may be a blast. It is not trained on, and in no metrics of cells; the
    device finds and counts it, so its field is judged with it.

    Parameters
    ----------
    examples : CellExamples

    Returns
    -------
    (N,) ndarray of bool
    """
    positive = examples.dataset.positive
    labels = examples.dataset.labels
    flags = examples.flags or ((),) * len(examples.names)
    is_clipped = np.array([CLIPPED in own for own in flags], dtype=bool)
    is_negative = np.array([labels[index] not in positive for index in examples.truth], dtype=bool)
    in_positive_field = np.array(
        [
            index >= 0 and examples.fields[index].label in positive
            for index in examples.field_index.tolist()
        ],
        dtype=bool,
    )
    known: NDArray[np.bool_] = ~(is_clipped & is_negative & in_positive_field)
    return known
