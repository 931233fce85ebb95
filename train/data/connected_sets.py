"""Sets of images that are connected by pairs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def connected_components(count: int, pairs: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    """Return the lowest index of the component that each of `count` nodes belongs to.

    Parameters
    ----------
    count : int
        Number of nodes.
    pairs : iterable of (int, int)
        Connected nodes, 0 to ``count - 1``.

    Returns
    -------
    (count,) ndarray of int
        Nodes of one component have the same value.

    Examples
    --------
    >>> connected_components(4, [(3, 1)]).tolist()
    [0, 1, 2, 1]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components as label_components

    ends = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    edges = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, labels = label_components(edges, directed=False)
    _, lowest = np.unique(labels, return_index=True)
    return np.asarray(lowest[labels], dtype=np.int64)


def connected_sets(count: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return the components of two and more nodes, each sorted, in order of their lowest node.

    The parameters are those of `connected_components`.

    Examples
    --------
    >>> connected_sets(6, [(0, 3), (3, 5), (1, 2)])
    [[0, 3, 5], [1, 2]]
    """
    lowest = connected_components(count, pairs)
    return [
        np.flatnonzero(lowest == node).tolist()
        for node, size in zip(*np.unique(lowest, return_counts=True), strict=True)
        if size > 1
    ]
