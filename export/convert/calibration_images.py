"""Chooses the images that int8 ranges are measured on, and reads a folder of them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import numpy as np

from ...errors import DataError
from ...runtime.data.class_folders import smear_images
from ...runtime.image_settings import ImageSettings
from ...runtime.imaging import load_rgb
from ..types import Images

# More images make every conversion of every fold slower.
MAX_IMAGES = 64

T = TypeVar("T")
_NOTHING = object()


def choose_balanced(
    items: Sequence[T], name: Callable[[T], str], kind: Callable[[T], Hashable]
) -> list[T]:
    """Return at most `MAX_IMAGES` of the items, about as many of every kind.

    Parameters
    ----------
    items : sequence
    name : callable
        Returns the name of an item. The choice depends on the hash of the names, not on the order
        of the items.
    kind : callable
        Returns the kind of an item, for example its label and camera.

    Returns
    -------
    list

    Examples
    --------
    >>> choose_balanced(["a1", "a2", "b1"], str, lambda name: name[0])[:2]
    ['a2', 'b1']
    """
    queues: dict[Hashable, list[T]] = defaultdict(list)
    for item in sorted(items, key=lambda item: hashlib.sha256(name(item).encode()).digest()):
        queues[kind(item)].append(item)
    rounds = zip_longest(*(queues[key] for key in sorted(queues, key=repr)), fillvalue=_NOTHING)
    chosen = [item for items in rounds for item in items if item is not _NOTHING]
    return chosen[:MAX_IMAGES]  # type: ignore[return-value]


def load_folder(folder: Path, settings: ImageSettings) -> Images:
    """Return images of a folder that the user named for calibration; any layout will do.

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
        If the folder holds no image.
    ImageError
        If one cannot be read.
    """
    paths = smear_images(folder)
    if not paths:
        raise DataError(f"{folder} has no images to calibrate on", fix="name a folder of smears")
    chosen = choose_balanced(
        paths, lambda path: path.relative_to(folder).as_posix(), lambda path: path.parent
    )
    return np.stack([load_rgb(path, settings) for path in chosen])
