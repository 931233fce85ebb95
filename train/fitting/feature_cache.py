"""Caches the features of a frozen base on disk, one entry per augmentation pass.

The name of an entry is a digest of everything that it depends on: the pixels, the base's weights,
the augmentation pass and the package versions. An entry is therefore never outdated. The size of
the cache is limited: the least recently used entries are deleted first.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ...runtime.caches import cache_root
from ...runtime.files import replace_file
from ...runtime.regular_files import open_regular_file
from ...runtime.sized_cache import evict, mark_as_used
from ..networks.base_weights import NONE, weights_file
from ..provenance import package_versions
from .augmentation import NO_AUGMENTATION, Augmentation, augment
from .damaged_arrays import DAMAGED
from .types import Floats

FORMAT = 1  # of an entry; increase it when image loading or augmentation changes
HEX = "[0-9a-f]"
ENTRIES = f"{HEX * 2}/{HEX * 64}.npz"  # names of entries; the user may have named any folder
MAX_BYTES = 10 * 2**30  # size of all entries together
CHUNK = 64  # images per call of the base
FIRST_EPOCH = 1_000_001  # epoch number of pass 1: no fine-tuning has that many epochs
PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "pillow")

_UNREADABLE: tuple[type[Exception], ...] = (DataError, *DAMAGED)

# pixels in 0 to 255, (M, S, S, 3) -> the base's output, (M, H, W, D)
Base = Callable[[Floats], Floats]


@dataclass(frozen=True)
class AugmentationPass:
    """One pass over all images: either without augmentation, or each image augmented once.

    Parameters
    ----------
    augmentation : Augmentation
    seed : int
    number : int
        0 is the images without augmentation. Passes from 1 on are augmented, each differently.
    """

    augmentation: Augmentation
    seed: int
    number: int

    def pixels(self, images: NDArray[np.uint8], first: int = 0) -> Floats:
        """Return (M, S, S, 3) images of uint8 as this pass shows them, as float32 in 0 to 255.

        `first` is the index of the first of them in the data set.
        """
        if not self.number:
            return images.astype(np.float32)
        epoch = FIRST_EPOCH - 1 + self.number
        return np.stack(
            [
                augment(image, self.augmentation, seed=self.seed, epoch=epoch, sample=index)
                for index, image in enumerate(images, start=first)
            ]
        ).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """Return the settings that determine the pixels of this pass, for the entry's digest."""
        if not self.number:
            return {"how": NO_AUGMENTATION.to_json(), "seed": None, "number": 0}
        return {"how": self.augmentation.to_json(), "seed": self.seed, "number": self.number}


class FeatureCache:
    """Features on disk, one file per pass, limited in size.

    Parameters
    ----------
    root : Path, optional
        Folder of the cache. By default a folder in the user's cache folder, which
        ``$ALLEDGE_CACHE`` names. Nothing is cached if there is none.
    max_bytes : int
        Size of all entries together. When it is exceeded, the least recently read entries are
        deleted. An entry larger than this is not cached.
    """

    def __init__(self, root: Path | None = None, max_bytes: int = MAX_BYTES) -> None:
        user_cache = cache_root()
        # the dot excludes the folder from the deletion of the engines' old cache entries
        self.root = root or (user_cache / ".features" if user_cache else None)
        self.max_bytes = max_bytes

    def get(
        self,
        images: NDArray[np.uint8],
        weights: str,
        augmentation_pass: AugmentationPass,
        load_base: Callable[[], Base],
        *,
        maps: bool = False,
    ) -> tuple[Floats, float]:
        """Return the features of a pass, from the cache if it has them.

        Parameters
        ----------
        images : (N, S, S, 3) ndarray of uint8
        weights : str
            Identifies the base: its architecture and its weights (`weights_digest`).
        augmentation_pass : AugmentationPass
        load_base : callable
            Returns the base. Called only if the features are not cached.
        maps : bool
            False averages over positions.

        Returns
        -------
        features : (N, D) or (N, H, W, D) ndarray of float32
        seconds : float
            Time that the base needed when the features were computed.
        """
        key = _key(images, weights, augmentation_pass, maps)
        path = self.root / key[:2] / f"{key}.npz" if self.root else None
        if path and (entry := _read(path)) and _fits(entry[0], len(images), maps):
            mark_as_used(path)
            return entry
        began = time.perf_counter()
        features = compute(images, augmentation_pass, load_base(), maps=maps)
        seconds = time.perf_counter() - began
        if path:
            self._write(path, features, seconds)
        return features, seconds

    def _write(self, path: Path, features: Floats, seconds: float) -> None:
        if features.nbytes > self.max_bytes:
            return
        with contextlib.suppress(OSError):  # a full or read-only disk must not stop the training
            with replace_file(path) as beside, beside.open("wb") as stream:
                np.savez(stream, features=features, seconds=np.float64(seconds))
            mark_as_used(path)
        if self.root:
            evict(self.root.glob(ENTRIES), self.max_bytes)


def compute(
    images: NDArray[np.uint8], augmentation_pass: AugmentationPass, base: Base, *, maps: bool
) -> Floats:
    """Return the features of all images of a pass, (N, D), or (N, H, W, D) with `maps`."""
    chunks = []
    for start in range(0, len(images), CHUNK):
        features = base(augmentation_pass.pixels(images[start : start + CHUNK], start))
        chunks.append(features if maps else features.mean(axis=(1, 2)))
    return np.concatenate(chunks)


def weights_digest(model: str, weights: str, seed: int) -> str:
    """Return a text that identifies a base: its architecture and its initial weights.

    Parameters
    ----------
    model : str
    weights : str
        ``"imagenet"``, ``"none"``, ``"builtin"`` or a file. A file is identified by its content.
    seed : int
        Seed of random weights.
    """
    if weights == NONE:
        return f"{model} random {seed}"
    path = weights_file(weights)
    if path is None:
        return f"{model} {weights}"
    return f"{model} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def _key(
    images: NDArray[np.uint8], weights: str, augmentation_pass: AugmentationPass, maps: bool
) -> str:
    dependencies = {
        "format": FORMAT,
        "pixels": hashlib.sha256(images.tobytes()).hexdigest(),
        "shape": list(images.shape),
        "weights": weights,
        "pass": augmentation_pass.to_json(),
        "maps": maps,
        "versions": package_versions(PACKAGES),
    }
    return hashlib.sha256(json.dumps(dependencies, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> tuple[Floats, float] | None:
    """Return an entry, or None if it does not exist or is damaged."""
    try:
        # np.load would leave a damaged file open
        with (
            open_regular_file(path, error=DataError) as stream,
            np.load(stream, allow_pickle=False) as arrays,
        ):
            return arrays["features"], float(arrays["seconds"])
    except _UNREADABLE:
        return None


def _fits(features: Floats, images: int, maps: bool) -> bool:
    """Return whether an entry has finite float32 features of every image."""
    return (
        features.dtype == np.float32
        and features.ndim == (4 if maps else 2)
        and len(features) == images
        and bool(np.isfinite(features).all())
    )
