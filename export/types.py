"""Types that the modules of the export pass to each other, and the documents that they write."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from ..runtime.bundle.feature_output import FeatureOutput
from ..runtime.cells.field_rule import FieldRule
from ..runtime.metrics.decisions import Thresholds
from ..train.runs.run_folder import Run
from .convert.quantization_recipes import Recipe

Json = dict[str, Any]
Images = NDArray[np.uint8]
Scores = NDArray[np.float32]
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]


class StepRecord(TypedDict, total=False):
    """One row of an export's log.

    `peak_mib` is the most memory that the process of the step has used so far. `error` is there
    only where the step failed, `cached` only where an earlier export had done the same step.
    `corrected_biases` is the number of biases that the TFLite graph takes from the step.
    """

    step: str
    seconds: float
    peak_mib: int
    error: str
    cached: bool
    corrected_biases: int


class ConversionResult(TypedDict):
    """The result of a step that made an artifact.

    `produced_by` has the versions of packages by their name. `features` is a `FeatureLayer` as
    JSON, None if the last dense layer is not in float. `peak_mib` is missing where the system does
    not report the memory of a process.
    """

    produced_by: dict[str, str]
    left_in_float: list[str]
    features: Json | None
    seconds: float
    peak_mib: int


class Comparison(TypedDict):
    """How the answers of an artifact differ from those of the float model on the same images.

    `max_dp` and `mean_dp` are differences of raw positive scores, in [0, 1]; `agreement` is the
    share of equal labels. `float_positives` is the number of positive images that the float model
    finds, of which `lost_positives` are lost.
    """

    max_dp: float
    mean_dp: float
    agreement: float
    lost_positives: int
    to_review: int
    float_positives: int


class Coverage(TypedDict):
    """How many images lie below, above and near the float model's threshold."""

    below: int
    above: int
    near_threshold: int
    informative: bool


class AttemptRecord(TypedDict, total=False):
    """One recipe that was tried, as ``bundle.json`` and ``why.json`` hold it."""

    recipe: str
    error: str
    auc_drop: float
    lost_positives: int
    lost_fields: int
    max_dp: float
    mean_dp: float
    passed: bool
    why: str


class CalibrationSource(TypedDict):
    """Where the calibration images of int8 come from, how many there are, and what is wrong."""

    source: str
    images: int
    warnings: list[str]


@dataclass(frozen=True)
class DecisionRule:
    """How scores become an answer: a temperature, then a threshold and an indeterminate band.

    Parameters
    ----------
    temperature : float
        The scores are calibrated with it; > 0.
    thresholds : Thresholds
        Threshold and band, on calibrated positive probabilities.
    field : FieldRule, optional
        How the probabilities of its cells become the verdict on a field; only of cell models.
    """

    temperature: float
    thresholds: Thresholds
    field: FieldRule | None = None

    @classmethod
    def from_run(cls, run: Run) -> DecisionRule:
        """Return the rule that a run fitted for its float model."""
        low, high = run.record["band"]
        thresholds = Thresholds(run.record["threshold"], (low, high))
        row = run.record.get("field")
        field = None if row is None else FieldRule.from_json(row)
        return cls(run.record["temperature"], thresholds, field)


@dataclass(frozen=True)
class FieldPicture:
    """A generated field, and the cells that the exporting machine finds in it.

    Parameters
    ----------
    jpeg : bytes
        The file.
    cells : (K, 3) ndarray of float64
        x, y and radius of the first cells, in pixels of the upright field.
    crops : (K, S, S, 3) ndarray of uint8
        What the model sees of them.
    count : int
        Number of all cells, at least K.
    """

    jpeg: bytes
    cells: Floats
    crops: Images
    count: int


@dataclass(frozen=True)
class References:
    """The reference images of a bundle, which `alledge verify` replays.

    Parameters
    ----------
    images : (N, S, S, 3) ndarray of uint8
    float_scores : (N, C) ndarray of float32
        The raw scores of the float model.
    coverage : Coverage
    source : {"generated", "given"}
    picture : FieldPicture, optional
        Of a cell model.
    """

    images: Images
    float_scores: Scores
    coverage: Coverage
    source: str = "generated"
    picture: FieldPicture | None = None

    @property
    def all_images(self) -> Images:
        """The references, followed by the cells of the test picture."""
        if self.picture is None:
            return self.images
        return np.concatenate([self.images, self.picture.crops])


@dataclass(frozen=True)
class FeatureLayer:
    """The last dense layer of an artifact, and where its features are.

    Parameters
    ----------
    output : FeatureOutput
    weights : (D, C) ndarray of float32
    bias : (C,) ndarray of float32
    """

    output: FeatureOutput
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def to_json(self) -> Json:
        """Return the layer as JSON, for the result of a step."""
        layer = {"weights": self.weights.tolist(), "bias": self.bias.tolist()}
        return {"output": self.output.to_json(), **layer}

    @classmethod
    def from_json(cls, row: Json) -> FeatureLayer:
        """Return the layer that a step found."""
        weights, bias = (np.asarray(row[key], dtype=np.float32) for key in ("weights", "bias"))
        return cls(FeatureOutput.from_json(row["output"]), weights, bias)


@dataclass(frozen=True)
class Artifact:
    """One converted model of one format, and how it compares with the float model.

    Parameters
    ----------
    format_name : {"tflite", "onnx", "openvino"}
    recipe : Recipe
    rule : DecisionRule
        Ships with the artifact.
    folder : Path
        Holds the files of the artifact and nothing else.
    scores : (N, C) ndarray of float32
        Raw scores of the references.
    variants : dict of str to (N, C) ndarray of float32
        Scores of the references by other kernels that a device may have, by their name.
    produced_by : dict of str to str
        Versions of the packages that made it.
    left_in_float : list of str
        Layers left in float beside the last dense layer.
    parity : dict
        Its row of ``parity.json``.
    gate : dict, optional
        Its gate record in ``bundle.json``.
    picture_scores : dict of str to (K, C) ndarray of float32
        Raw scores of the cells of the test picture by this artifact, and by other kernels, by the
        name of the outputs; empty for a model of whole fields.
    features : FeatureLayer, optional
        Its last dense layer, and where its features are; None if that layer is not in float.
    """

    format_name: str
    recipe: Recipe
    rule: DecisionRule
    folder: Path
    scores: Scores
    variants: dict[str, Scores]
    produced_by: dict[str, str]
    left_in_float: list[str]
    parity: Json
    gate: Json | None = None
    picture_scores: dict[str, Scores] = field(default_factory=dict)
    features: FeatureLayer | None = None
