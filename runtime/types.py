"""Types that several modules of `alledge.runtime` share; imported for type checking only."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RGB = NDArray[np.uint8]  # (H, W, 3), red, green, blue
ImageSource = str | Path | Image.Image | RGB  # a file, an opened image, or its pixels

# The statistics of an image: a float for each name, and the name of the camera.
Statistics = dict[str, Any]


class DistanceRecord(TypedDict):
    """A distance of `GuardsRecord`: what it is computed with, and its limit."""

    features: list[str]
    centres: list[list[float]]  # one an imaging setup
    scale: list[float]
    precision: list[list[float]]
    limit: float


class SizesRecord(TypedDict):
    """The sizes of the training images in pixels, of the files and not of what the model sees."""

    usual: list[list[int]]  # longer and shorter side; empty where the images have many sizes
    shorter_side: list[float]  # lowest and highest
    aspect: list[float]  # longer over shorter side, lowest and highest


Ranges = dict[str, list[float | None]]  # lowest and highest usual value of statistics


class GuardsRecord(TypedDict):
    """The ``guards`` of ``bundle.json``: the usual statistics of the training images."""

    schema_version: int
    images: int
    cameras: list[str]
    sizes: SizesRecord | None
    frame: Ranges
    stain: Ranges
    off_domain: DistanceRecord
    unfamiliar_microscope: DistanceRecord
    blurred: Ranges
    exposure: Ranges


class Distance(TypedDict):
    """How far two sets of scores are apart."""

    max_dp: float  # largest difference of the positive scores, in [0, 1]
    mean_dp: float
    agreement: float  # share of images with the same label


class HereDistance(Distance):
    """The distance of an artifact's outputs here from its outputs on the desk."""

    tolerance: float
    kernels: str | None  # of the stored outputs that are nearest; None for the desk's own
    from_float: Distance


class BackendVerification(TypedDict):
    """The result of `verify_bundle` for one backend."""

    status: Literal["pass", "fail", "not installed"]
    engine: str | None
    here: HereDistance | None
    float: dict[str, Any]  # from parity.json: the artifact against the float model
    error: str | None


class VerifyDocument(TypedDict):
    """The document of ``alledge verify --json``."""

    schema: str
    schema_version: int
    bundle: str
    digest: str
    files: int
    references: dict[str, Any]
    machine: dict[str, str]
    backends: dict[str, BackendVerification]
    verdict: Literal["pass", "fail", "not informative"]
