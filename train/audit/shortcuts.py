"""Measures how well a label is predicted without looking at cells: the shortcuts of a data set.

Each shortcut is a few numbers per image, or a category. A small classifier of each is
cross-validated on grouped folds. The module imports no tensorflow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...runtime.data.datasets import Sample
from ...runtime.metrics.intervals import wilson
from ..data.group_folds import group_folds
from .types import ShortcutRow
from .verdict import MAJORITY

PICTURE_SIZE = 256  # pixels: longer side of the picture that features are computed from
FOLDS = 5
TREES, MIN_LEAF_IMAGES = 100, 3  # of the random forest
EDGE = 2  # pixels around a cell that do not count as background
BLACK = 16  # grey levels: the border of a picture of a single segmented cell is darker
BIN_WIDTH = 2  # grey levels per bin of the histogram
MIN_CELL_AREA = 12  # pixels: smaller pieces of foreground are no cells

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ShortcutFeatures:
    """The features of an image that the shortcuts use.

    Parameters
    ----------
    camera, size : str
    colour : tuple of float
        Mean red, green and blue.
    background : tuple of float
        Mean and standard deviation of red, green and blue where there is no cell.
    geometry : tuple of float
        Aspect ratio, diameter of a typical cell over the image width, share covered by cells.
    """

    camera: str
    size: str
    colour: tuple[float, ...]
    background: tuple[float, ...]
    geometry: tuple[float, ...]


@dataclass(frozen=True)
class Shortcut:
    """A way to predict the label without looking at cells.

    Parameters
    ----------
    what : str
        Description.
    values : callable
        Returns the values of an image: a str is a category, a tuple has numbers.
    """

    what: str
    values: Callable[[ShortcutFeatures], str | tuple[float, ...]]


SHORTCUTS: dict[str, Shortcut] = {
    MAJORITY: Shortcut(
        what="the commoner label of the training folds, for every image",
        values=lambda features: "",
    ),
    "camera": Shortcut(what="the EXIF model", values=lambda features: features.camera),
    "image size": Shortcut(
        what="width and height of the file", values=lambda features: features.size
    ),
    "mean colour": Shortcut(
        what="mean red, green and blue of the whole image",
        values=lambda features: features.colour,
    ),
    "background": Shortcut(
        what="mean and spread of red, green and blue, cells masked out",
        values=lambda features: features.background,
    ),
    "geometry": Shortcut(
        what="aspect ratio, diameter of a typical cell over the image width, "
        "share covered by cells",
        values=lambda features: features.geometry,
    ),
}


def shortcut_features(sample: Sample, picture: Image.Image) -> ShortcutFeatures:
    """Return the features of an image.

    Parameters
    ----------
    sample : Sample
    picture : Image
        The image, with a longer side of `PICTURE_SIZE`.

    Returns
    -------
    ShortcutFeatures
    """
    pixels = np.asarray(picture, dtype=np.float64)
    cells, empty = masks(picture)
    background = pixels[empty] if empty.any() else pixels.reshape(-1, 3)
    return ShortcutFeatures(
        camera=sample.camera,
        size=f"{sample.width} × {sample.height}",
        colour=tuple(pixels.mean(axis=(0, 1))),
        background=(*background.mean(axis=0), *background.std(axis=0)),
        geometry=(
            sample.width / sample.height,
            _cell_diameter(cells) / picture.width,
            float(cells.mean()),
        ),
    )


def masks(picture: Image.Image) -> tuple[Mask, Mask]:
    """Return the mask of cells and the mask of background, from the green channel.

    Haemoglobin and the stain absorb green light.

    Parameters
    ----------
    picture : Image
        RGB.

    Returns
    -------
    cells, background : (H, W) ndarray of bool
        Neither contains the edge of the cells.

    References
    ----------
    N. Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. Syst. Man
    Cybern. 9 (1979), 62-66, with two thresholds.
    """
    from scipy import ndimage

    green = np.asarray(picture)[..., 1]
    is_segmented_cell = green[[0, -1]].mean() < BLACK  # on a black background
    cells = green > BLACK if is_segmented_cell else green <= _background_level(green)
    cells = ndimage.binary_opening(cells)
    cells = np.asarray(ndimage.binary_fill_holes(cells), dtype=bool)
    empty = ~np.asarray(ndimage.binary_dilation(cells, iterations=EDGE), dtype=bool)
    return cells, empty


def shortcut_table(
    features: Sequence[ShortcutFeatures],
    truth: NDArray[np.int64],
    groups: Sequence[str],
    seed: int,
) -> list[ShortcutRow]:
    """Return the cross-validated accuracy of every shortcut.

    Parameters
    ----------
    features : sequence of ShortcutFeatures
    truth : (N,) ndarray of int
        Index of the label of each image.
    groups : sequence of str
        Images of one group are in the same fold.
    seed : int
        Of the folds and of the random forests.

    Returns
    -------
    list of ShortcutRow
        Empty if a class has only one group.
    """
    fold = group_folds(truth, groups, FOLDS, seed)
    if len(np.unique(fold)) < 2:
        return []
    rows: list[ShortcutRow] = []
    for name, shortcut in SHORTCUTS.items():
        values = [shortcut.values(image) for image in features]
        predicted = np.empty(len(truth), dtype=np.int64)
        for number in np.unique(fold):
            train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            predicted[test] = _predict(values, truth, train, test, seed)
        right = int((predicted == truth).sum())
        low, high = wilson(right, len(truth))
        rows.append(
            {
                "name": name,
                "what": shortcut.what,
                "right": right,
                "accuracy": {
                    "value": right / len(truth),
                    "low": low,
                    "high": high,
                    "n": len(truth),
                },
            }
        )
    return rows


def _predict(
    values: Sequence[str | tuple[float, ...]],
    truth: NDArray[np.int64],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    seed: int,
) -> NDArray[np.int64]:
    """Return the predicted labels of the test images.

    Numbers are classified by a random forest. A category gets the commonest label of its training
    images; a new category gets that of all training images.
    """
    if not isinstance(values[0], str):
        from sklearn.ensemble import RandomForestClassifier

        table = np.array(values, dtype=np.float64)
        forest = RandomForestClassifier(TREES, min_samples_leaf=MIN_LEAF_IMAGES, random_state=seed)
        return np.asarray(forest.fit(table[train], truth[train]).predict(table[test]))
    labels_of: dict[str, list[int]] = {}
    for index in train:
        labels_of.setdefault(str(values[index]), []).append(int(truth[index]))
    commonest_of = {value: _commonest(labels) for value, labels in labels_of.items()}
    commonest = _commonest(truth[train])
    return np.array([commonest_of.get(str(values[i]), commonest) for i in test], dtype=np.int64)


def _commonest(labels: Sequence[int] | NDArray[np.int64]) -> int:
    return int(np.bincount(labels).argmax())


def _cell_diameter(cells: Mask) -> float:
    """Return the diameter of the piece of foreground with the median area, in pixels."""
    from scipy import ndimage

    pieces, count = ndimage.label(cells)
    areas = np.bincount(pieces.ravel())[1:] if count else np.zeros(0)
    areas = areas[areas >= MIN_CELL_AREA]
    return float(np.sqrt(4 * np.median(areas) / np.pi)) if len(areas) else 0.0


def _background_level(grey: NDArray[np.uint8]) -> int:
    """Return the grey level above which there is only background: the upper of two thresholds.

    Two thresholds give three classes: nuclei, red cells and background. With many nuclei, a
    single threshold would separate nuclei from the rest, and the mask would not hide the cells.
    """
    counts = np.bincount(grey.ravel() // BIN_WIDTH, minlength=256 // BIN_WIDTH).astype(np.float64)
    cumulative = np.concatenate([[0.0], np.cumsum(counts)])
    moments = np.concatenate([[0.0], np.cumsum(counts * np.arange(len(counts)))])
    low, high = np.triu_indices(len(counts), k=1)
    low, high = low + 1, high + 1  # classes [0, low), [low, high), [high, end)
    start, end = np.zeros_like(low), np.full_like(low, len(counts))
    variance = np.zeros(len(low))  # between the classes, up to a constant
    for first, last in ((start, low), (low, high), (high, end)):
        weight = cumulative[last] - cumulative[first]
        moment = moments[last] - moments[first]
        variance += np.where(weight > 0, moment**2 / np.maximum(weight, 1), 0)
    return int(high[variance.argmax()]) * BIN_WIDTH - 1
