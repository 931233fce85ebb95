"""Which images a conversion is calibrated on: those the model was trained on, never others.

Every image comes through `load_rgb`, as the device's do.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...runtime.data.datasets import IMAGE_SUFFIXES
from ...runtime.image_settings import ImageSettings
from ...runtime.imaging import load_rgb

Images = NDArray[np.uint8]
# Of these every label and camera gets its part; more cost every conversion of every fold its time.
MAX_IMAGES = 64

T = TypeVar("T")


def choose(items: Sequence[T], name: Callable[[T], str], kind: Callable[[T], Hashable]) -> list[T]:
    """Return at most `MAX_IMAGES` of the items, as many of every kind as there are.

    Parameters
    ----------
    items : sequence
    name : callable
        Of an item; its hash decides, so the choice does not hang on an order.
    kind : callable
        Of an item, for example its label and camera.

    Returns
    -------
    list
    """
    kinds: dict[Hashable, list[T]] = defaultdict(list)
    for item in sorted(items, key=lambda item: hashlib.sha256(name(item).encode()).digest()):
        kinds[kind(item)].append(item)
    queues = [kinds[key] for key in sorted(kinds, key=repr)]
    chosen: list[T] = []
    turn = 0
    while len(chosen) < MAX_IMAGES and any(len(queue) > turn for queue in queues):
        chosen += [queue[turn] for queue in queues if len(queue) > turn]
        turn += 1
    return chosen[:MAX_IMAGES]


def load_folder(folder: Path, settings: ImageSettings) -> Images:
    """Return images of a folder that was named for calibration, of any layout.

    Parameters
    ----------
    folder : Path
    settings : ImageSettings

    Returns
    -------
    (N, S, S, 3) ndarray of uint8
        At most `MAX_IMAGES`.

    Raises
    ------
    DataError
        If there is no image in it.
    ImageError
        If one cannot be read.
    """
    found = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in IMAGE_SUFFIXES]
    if not found:
        raise DataError(f"{folder} has no images to calibrate on", fix="name a folder of smears")
    chosen = choose(
        found, lambda path: path.relative_to(folder).as_posix(), lambda path: path.parent
    )
    return np.stack([load_rgb(path, settings) for path in chosen])
