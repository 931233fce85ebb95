"""Distances of features from those of the training cells; each function fits one of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Distance = Callable[[Floats], Floats]
PROTOTYPES, COMPONENTS = 64, 32  # 1,280 float16 each: 164 and 82 kB


def shrunk_gaussian(features: Floats, truth: NDArray[np.int64]) -> Distance:
    """Mahalanobis' distance to the nearest class, with a common covariance."""
    centres, residuals = class_centres(features, truth)
    return nearest(centres, precision_of(residuals))


def relative_gaussian(features: Floats, truth: NDArray[np.int64]) -> Distance:
    """The same, less the distance to all training cells as one class.

    References
    ----------
    J. Ren et al., "A simple fix to Mahalanobis distance for improving near-OOD detection" (2021).
    """
    of_class, (centre, residuals) = (
        shrunk_gaussian(features, truth),
        class_centres(features, 0 * truth),
    )
    of_all = nearest(centre, precision_of(residuals))
    return lambda asked: of_class(asked) - of_all(asked)


def diagonal_gaussian(features: Floats, truth: NDArray[np.int64]) -> Distance:
    """The same with variances alone."""
    centres, residuals = class_centres(features, truth)
    return nearest(centres, np.diag(1 / (residuals.var(axis=0) + 1e-3)))


def principal_gaussian(features: Floats, truth: NDArray[np.int64]) -> Distance:
    """Mahalanobis' distance in the first components, and the remainder in its own variance."""
    centres, residuals = class_centres(features, truth)
    _, widths, axes = np.linalg.svd(residuals, full_matrices=False)
    axes, variances = axes[:COMPONENTS], (widths**2 / len(residuals))[:COMPONENTS]
    rest = residuals.var(axis=0).sum() - variances.sum()

    def distance(asked: Floats) -> Floats:
        values = []
        for centre in centres:
            moved = asked - centre
            inside = moved @ axes.T
            outside = (moved**2).sum(axis=1) - (inside**2).sum(axis=1)
            values.append((inside**2 / variances).sum(axis=1) + COMPONENTS * outside / rest)
        return np.asarray(np.min(values, axis=0))

    return distance


def prototypes(features: Floats, truth: NDArray[np.int64]) -> Distance:
    """Cosine distance to the nearest of some centres of the training cells."""
    from sklearn.cluster import KMeans

    centres = KMeans(PROTOTYPES, n_init=1, random_state=0).fit(unit(features)).cluster_centers_
    return lambda asked: 1 - np.asarray((unit(asked) @ unit(centres).T).max(axis=1))


def class_centres(features: Floats, truth: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the mean of each class, and the differences of the cells from theirs."""
    classes, at = np.unique(truth, return_inverse=True)
    centres = np.stack([features[truth == label].mean(axis=0) for label in classes])
    return centres, features - centres[at]


def precision_of(residuals: Floats) -> Floats:
    """Return the inverse of the covariance, shrunk after Ledoit and Wolf."""
    from sklearn.covariance import LedoitWolf

    return np.asarray(LedoitWolf(assume_centered=True).fit(residuals).precision_)


def nearest(centres: Floats, precision: Floats) -> Distance:
    """Return the squared Mahalanobis distance to the nearest centre."""

    def distance(asked: Floats) -> Floats:
        moved = asked[:, None] - centres
        return np.asarray(np.einsum("ncd,ncd->nc", moved @ precision, moved).min(axis=1))

    return distance


def unit(features: Floats) -> Floats:
    """Return vectors of unit length."""
    return np.asarray(features / (np.linalg.norm(features, axis=1, keepdims=True) + 1e-9))


GUARDS = {
    "Mahalanobis, shrunk covariance (6.6 MB)": shrunk_gaussian,
    "relative Mahalanobis (13 MB)": relative_gaussian,
    "Mahalanobis, variances alone": diagonal_gaussian,
    f"Mahalanobis, {COMPONENTS} components and the rest": principal_gaussian,
    f"cosine to {PROTOTYPES} prototypes": prototypes,
}
