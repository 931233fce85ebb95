"""Features of a frozen base, computed once per augmented pass and kept on disk by their content.

An entry's name is made of everything it depends on: the pixels, the base's weights, the augmented
pass and the versions. Nothing has to be thrown away when one of them changes: it has another name.
Loading an entry needs no tensorflow; making one does, and is handed in.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...runtime.caches import cache_root
from ...runtime.files import replace_file
from ...runtime.metrics.metrics import Json
from .augmentation import NO_AUGMENTATION, Augmentation, augment

FORMAT = 1  # of an entry; another arithmetic of the image path or the augmentation raises it
CHUNK = 64  # images augmented and sent through the base at once
FIRST_PASS = 1_000_001  # passes for a head are epochs that fine-tuning never reaches
PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "numpy", "pillow")

Floats = NDArray[np.float32]
# pixels in 0..255, (M, S, S, 3) -> the base's output, (M, H, W, D)
Base = Callable[[Floats], Floats]


@dataclass(frozen=True)
class AugmentationPass:
    """One way through all images: as they are, or augmented once.

    Parameters
    ----------
    how : Augmentation
    seed : int
    number : int
        0 is the images as they are, whatever `how` says; from 1 on augmented passes.
    """

    how: Augmentation
    seed: int
    number: int

    def pixels(self, images: NDArray[np.uint8], first: int = 0) -> Floats:
        """Return the images of this pass; `first` is the index of the first one in the set."""
        if not self.number:
            return images.astype(np.float32)
        epoch = FIRST_PASS - 1 + self.number
        return np.stack(
            [
                augment(image, self.how, seed=self.seed, epoch=epoch, sample=first + at)
                for at, image in enumerate(images)
            ]
        ).astype(np.float32)

    def to_json(self) -> Json:
        """Return what the pixels of this pass depend on, beside the images."""
        if not self.number:
            return {"how": NO_AUGMENTATION.to_json(), "seed": None, "number": 0}
        return {"how": self.how.to_json(), "seed": self.seed, "number": self.number}


class FeatureCache:
    """Features on disk, one entry a pass.

    Parameters
    ----------
    root : Path, optional
        The folder; the user's own cache folder by default. Without one nothing is kept.
    """

    def __init__(self, root: Path | None = None) -> None:
        own = cache_root()  # the dot keeps it apart from what engines keep there, and may forget
        self.root = root or (own / ".features" if own else None)

    def get(
        self,
        images: NDArray[np.uint8],
        weights: str,
        which: AugmentationPass,
        base: Callable[[], Base],
        *,
        maps: bool = False,
    ) -> tuple[Floats, float]:
        """Return the features of a pass and how long computing them took.

        Parameters
        ----------
        images : (N, S, S, 3) ndarray of uint8
        weights : str
            Digest of the base: its architecture and its weights.
        which : AugmentationPass
        base : callable
            Gives the base; called only where the features are not kept.
        maps : bool
            False averages over positions.

        Returns
        -------
        features : (N, D) or (N, H, W, D) ndarray of float32
        seconds : float
            What the pass through the base took when it was computed.
        """
        key = _key(images, weights, which, maps)
        path = self.root / key[:2] / f"{key}.npz" if self.root else None
        if path and (kept := _load(path)):
            return kept
        began = time.perf_counter()
        features = compute(images, which, base(), maps=maps)
        seconds = time.perf_counter() - began
        if path:
            with replace_file(path) as beside, beside.open("wb") as stream:
                np.savez(stream, features=features, seconds=np.float64(seconds))
        return features, seconds


def compute(
    images: NDArray[np.uint8], which: AugmentationPass, base: Base, *, maps: bool
) -> Floats:
    """Run all images of a pass through the base."""
    rows = []
    for start in range(0, len(images), CHUNK):
        out = base(which.pixels(images[start : start + CHUNK], start))
        rows.append(out if maps else out.mean(axis=(1, 2)))
    return np.concatenate(rows)


def weights_digest(model: str, weights: str, seed: int) -> str:
    """Return what stands for a base: its architecture and where its weights come from.

    Parameters
    ----------
    model, weights : str
        ``"imagenet"``, ``"none"`` or a file, whose content counts and not its name.
    seed : int
        Of random weights.
    """
    if weights == "imagenet":
        return f"{model} imagenet"
    if weights == "none":
        return f"{model} random {seed}"
    return f"{model} {hashlib.sha256(Path(weights).read_bytes()).hexdigest()}"


def _key(images: NDArray[np.uint8], weights: str, which: AugmentationPass, maps: bool) -> str:
    about = {
        "format": FORMAT,
        "pixels": hashlib.sha256(images.tobytes()).hexdigest(),
        "shape": list(images.shape),
        "weights": weights,
        "pass": which.to_json(),
        "maps": maps,
        "versions": _versions(),
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _load(path: Path) -> tuple[Floats, float] | None:
    """Return an entry; None where there is none, or it cannot be read and is made again."""
    try:
        # a damaged file would stay open in np.load
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return arrays["features"], float(arrays["seconds"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
