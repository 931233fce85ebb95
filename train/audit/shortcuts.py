"""What tells the labels apart without a look at a cell: camera, size, colour, background, geometry.

Each row of `SHORTCUTS` is a few numbers an image, and a small classifier that is cross-validated
on grouped folds. Imports no tensorflow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...runtime.data.datasets import Sample
from ...runtime.metrics.intervals import wilson
from ...runtime.metrics.metrics import Json
from ..data.splits import group_folds

PICTURE_SIZE = 256  # pixels: longer side of the picture that is measured
FOLDS = 5
TREES, LEAST_LEAF = 100, 3  # of the forest that reads numbers; images a leaf
EDGE = 2  # pixels: the rim of a cell belongs to no background
BLACK = 16  # grey levels: the border of a cell cut out is darker
STEP = 2  # grey levels a bin of the histogram
SPECK = 12  # pixels: foreground smaller than this is no cell
MAJORITY = "majority class"

Mask = NDArray[np.bool_]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """What the shortcuts know of an image.

    Parameters
    ----------
    camera, size : str
    colour : tuple of float
        Mean red, green and blue.
    background : tuple of float
        Mean and spread of red, green and blue where no cell lies.
    geometry : tuple of float
        Aspect ratio, diameter of a typical cell over the image width, share covered by cells.
    """

    camera: str
    size: str
    colour: tuple[float, ...]
    background: tuple[float, ...]
    geometry: tuple[float, ...]


# name -> (what it is, what it reads of an image; a text is a category, numbers are numbers)
SHORTCUTS: dict[str, tuple[str, Callable[[Measured], str | tuple[float, ...]]]] = {
    MAJORITY: ("the commoner label of the training folds, whatever the image", lambda m: ""),
    "camera": ("the EXIF model", lambda m: m.camera),
    "image size": ("width and height of the file", lambda m: m.size),
    "mean colour": ("mean red, green and blue of the whole image", lambda m: m.colour),
    "background": (
        "mean and spread of red, green and blue, cells masked out",
        lambda m: m.background,
    ),
    "geometry": (
        "aspect ratio, diameter of a typical cell over the image width, share covered by cells",
        lambda m: m.geometry,
    ),
}


def measure(sample: Sample, picture: Image.Image) -> Measured:
    """Return what the shortcuts know of an image, from a picture of `PICTURE_SIZE` pixels."""
    pixels = np.asarray(picture, dtype=np.float64)
    cells, empty = masks(picture)
    there = pixels[empty] if empty.any() else pixels.reshape(-1, 3)
    return Measured(
        sample.camera,
        f"{sample.width} × {sample.height}",
        tuple(pixels.mean(axis=(0, 1))),
        (*there.mean(axis=0), *there.std(axis=0)),
        (sample.width / sample.height, _diameter(cells) / picture.width, float(cells.mean())),
    )


def masks(picture: Image.Image) -> tuple[Mask, Mask]:
    """Return where cells are and where nothing is, from the green channel.

    References
    ----------
    N. Otsu, "A threshold selection method from gray-level histograms", IEEE Trans. Syst. Man
    Cybern. 9 (1979), 62-66, with two thresholds. Green is where haemoglobin and the stain absorb.
    """
    from scipy import ndimage

    green = np.asarray(picture)[..., 1]
    black = green[[0, -1]].mean() < BLACK  # single cells cut out lie on black
    cells = green > BLACK if black else green <= _background_level(green)
    cells = ndimage.binary_opening(cells)
    cells = np.asarray(ndimage.binary_fill_holes(cells), dtype=bool)
    empty = ~np.asarray(ndimage.binary_dilation(cells, iterations=EDGE), dtype=bool)
    return cells, empty


def shortcut_table(
    measured: Sequence[Measured], truth: NDArray[np.int64], groups: Sequence[str], seed: int
) -> list[Json]:
    """Return the cross-validated accuracy of every shortcut, ready for JSON.

    Parameters
    ----------
    measured : sequence of Measured
    truth : (N,) ndarray of int
    groups : sequence of str
        Images of one group are never parted.
    seed : int

    Returns
    -------
    list of dict
        Empty where a class has but one group, so that nothing can be cross-validated.
    """
    part = group_folds(truth, groups, FOLDS, seed)
    if len(np.unique(part)) < 2:
        return []
    rows = []
    for name, (what, read) in SHORTCUTS.items():
        values = [read(one) for one in measured]
        said = np.empty(len(truth), dtype=np.int64)
        for number in np.unique(part):
            train, test = np.flatnonzero(part != number), np.flatnonzero(part == number)
            said[test] = _say(values, truth, train, test, seed)
        right = int((said == truth).sum())
        low, high = wilson(right, len(truth))
        figure = {"value": right / len(truth), "low": low, "high": high, "n": len(truth)}
        rows.append({"name": name, "what": what, "right": right, "accuracy": figure})
    return rows


def _say(
    values: Sequence[str | tuple[float, ...]],
    truth: NDArray[np.int64],
    train: NDArray[np.int64],
    test: NDArray[np.int64],
    seed: int,
) -> NDArray[np.int64]:
    if not isinstance(values[0], str):
        from sklearn.ensemble import RandomForestClassifier

        table = np.array(values, dtype=np.float64)
        forest = RandomForestClassifier(TREES, min_samples_leaf=LEAST_LEAF, random_state=seed)
        return np.asarray(forest.fit(table[train], truth[train]).predict(table[test]))
    common = int(np.bincount(truth[train]).argmax())
    known: dict[str, list[int]] = {}
    for index in train:
        known.setdefault(str(values[index]), []).append(int(truth[index]))
    likeliest = {value: int(np.bincount(labels).argmax()) for value, labels in known.items()}
    return np.array([likeliest.get(str(values[i]), common) for i in test], dtype=np.int64)


def _diameter(cells: Mask) -> float:
    """Return the diameter of the median piece of foreground, in pixels of the picture."""
    from scipy import ndimage

    pieces, count = ndimage.label(cells)
    areas = np.bincount(pieces.ravel())[1:] if count else np.zeros(0)
    areas = areas[areas >= SPECK]
    return float(np.sqrt(4 * np.median(areas) / np.pi)) if len(areas) else 0.0


def _background_level(grey: NDArray[np.uint8]) -> int:
    """Return the level above which nothing lies: the upper of two thresholds.

    Two thresholds part three classes (nuclei, red cells, nothing); one would part nuclei from the
    rest where there are many, and the mask would show the very cells it is to hide.
    """
    counts = np.bincount(grey.ravel() // STEP, minlength=256 // STEP).astype(np.float64)
    below = np.concatenate([[0.0], np.cumsum(counts)])
    sums = np.concatenate([[0.0], np.cumsum(counts * np.arange(len(counts)))])
    low, high = np.triu_indices(len(counts), k=1)
    low, high = low + 1, high + 1  # classes [0, low), [low, high), [high, end)
    spread = np.zeros(len(low))
    for first, last in ((0 * low, low), (low, high), (high, 0 * low + len(counts))):
        weight = below[last] - below[first]
        total = sums[last] - sums[first]
        spread += np.where(weight > 0, total**2 / np.maximum(weight, 1), 0)
    return int(high[spread.argmax()]) * STEP - 1
