"""Types that several modules of `alledge.runtime` share; imported for type checking only."""

from __future__ import annotations

from os import PathLike
from typing import Any, BinaryIO, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RGB = NDArray[np.uint8]  # (H, W, 3), red, green, blue
FileSource = str | PathLike[str] | BinaryIO  # the path of an image file, or its content
# An image file, its content, an opened image, or its pixels.
ImageSource = FileSource | bytes | bytearray | memoryview | Image.Image | RGB

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


class AnswersRecord(TypedDict):
    """The ``answers`` of ``parity.json``: what the record makes of the stored scores."""

    labels: list[str]
    probabilities: list[float]  # of all positive labels together, to six decimals
    indeterminate: list[bool]


class ReplayRecord(TypedDict):
    """Whether the record gives the answers of the export, without an engine."""

    status: Literal["pass", "fail"]
    differences: list[str]  # one line each, for people


class PictureRecord(TypedDict):
    """How far the pixels of ``picture.jpg`` here are from those of the export, in [0, 255]."""

    status: Literal["pass", "fail"]
    mean_difference: float
    max_difference: float


class CellsRecord(TypedDict):
    """How the cells found in ``picture.jpg`` here differ from those that the export found."""

    status: Literal["pass", "fail"]
    at_export: int  # number of all cells
    here: int
    compared: int  # stored cells
    matched: int  # of them, found here at the same place
    max_distance: float  # of the centres of matched cells, in pixels of the picture
    mean_difference: float  # of the pixels that the model sees, in [0, 255]


class Distance(TypedDict):
    """How far two sets of scores are apart."""

    max_dp: float  # largest difference of the positive scores, in [0, 1]
    mean_dp: float
    agreement: float  # share of images with the same label


class CellDistance(TypedDict, total=False):
    """The distance on the cells of the picture that match; only of cell models."""

    cells: Distance


class HereDistance(Distance, CellDistance):
    """The distance of an artifact's outputs here from its outputs on the desk."""

    tolerance: float
    kernels: str | None  # of the stored outputs that are nearest; None for the desk's own
    from_float: Distance


class FeaturesRecord(TypedDict):
    """Whether the features under the last dense layer lead to the scores."""

    status: Literal["pass", "fail"]
    size: int
    max_dp: float  # of the scores with and without features, raw, in [0, 1]
    max_dp_of_layer: float  # of the scores, and the last layer on the features
    tolerance: float


class BackendVerification(TypedDict):
    """The result of `verify_bundle` for one backend."""

    status: Literal["pass", "fail", "not installed"]
    engine: str | None
    here: HereDistance | None
    features: FeaturesRecord | None  # None if the bundle records none, or nothing was run
    float: dict[str, Any]  # from parity.json: the artifact against the float model
    error: str | None


class CellsOfPicture(TypedDict, total=False):
    """The cells of the picture; only of cell models."""

    cells: CellsRecord


class VerifyDocument(CellsOfPicture):
    """The document of ``alledge verify --json``."""

    schema: str
    schema_version: int
    bundle: str
    digest: str
    files: int
    signed_by: str | None  # the trusted key; None where this device trusts none
    references: dict[str, Any]
    answers: ReplayRecord
    picture: PictureRecord
    machine: dict[str, str]
    backends: dict[str, BackendVerification]
    verdict: Literal["pass", "fail", "not informative"]
