"""The JSON documents of a training run: ``settings.json`` and ``run.json``."""

from __future__ import annotations

from typing import Any, TypedDict

from ...runtime.types import GuardsRecord
from ..provenance import CodeVersion

FIELD, CELL = "field", "cell"
TASKS = (FIELD, CELL)  # what the network judges: the whole field, or each of its cells


class SplitSettings(TypedDict):
    """The split of a run; `digest` is a hash of the fold and the group of every image."""

    kind: str
    folds: int
    digest: str
    notes: list[str]


class DataSettings(TypedDict):
    """The data set of a run, and how it was read.

    `positive` are the labels that the user named, `labels_digest` is that of the file of labels.
    Only `root` and `labels_file` may change before a resume.
    """

    name: str
    layout: str
    fingerprint: str
    images: int
    generated: bool
    positive: list[str]
    labels_digest: str | None
    labels_file: str | None
    root: str


class TruthSettings(TypedDict):
    """Where the labels of the cells come from.

    `digest` is a hash of the pixels, the label and the group of every cell, `cells_file` the table
    of cells that the user named. Only `cells_file` may change before a resume.
    """

    digest: str
    cells_file: str | None


class CellRunSettings(TypedDict, total=False):
    """What a run of cells has beside: the settings of cells, all its data sets, and their truth.

    `data` is the first of the `sources`.
    """

    cells: dict[str, Any]
    sources: list[DataSettings]
    truth: TruthSettings


class RunSettings(CellRunSettings):
    """Everything that the results of a run depend on, and the folder of its images."""

    model: str
    head: str
    task: str
    labels: list[str]
    positive: list[str]
    image_path: dict[str, Any]
    seed: int
    sensitivity: float
    epochs: int
    batch_size: int
    lr: float
    recipe: dict[str, Any]
    split: SplitSettings
    weights: str
    data: DataSettings


class ThresholdRecord(TypedDict):
    """Wanted and cross-fitted sensitivity and specificity of the threshold."""

    wanted_sensitivity: float
    reached: bool
    sensitivity: float
    specificity: float


class CellRunRecord(TypedDict, total=False):
    """What ``run.json`` of a run of cells has beside.

    `field` is the rule that an export uses, `fields` has the metrics of the fields, each judged
    by a rule that was fitted without it; None if there are none. `field_directions` are as
    `directions`, of fields. `certain_auc` is that of blasts against the cells of healthy fields.
    `guards` are those of the crops, `field_guards` those of the fields.
    """

    field: dict[str, Any]
    fields: dict[str, Any] | None
    field_calibration: str | None
    field_directions: list[dict[str, Any]]
    certain_auc: dict[str, Any] | None
    field_guards: GuardsRecord | None


class RunResultsRecord(CellRunRecord):
    """The results in ``run.json``."""

    temperature: float
    threshold: float
    band: list[float]
    decision: ThresholdRecord
    calibration: str
    oof: dict[str, Any]
    against_probe: dict[str, Any] | None
    directions: list[dict[str, Any]]


class RunRecord(RunSettings, RunResultsRecord):
    """The content of ``run.json``.

    `temperature`, `threshold` and `band` are those that an export uses. `oof` has the metrics of
    the out-of-fold predictions, `refit` the epochs of each phase of the exported network,
    `reading` what the labels of the data set mean.
    """

    schema: str
    schema_version: int
    refit: dict[str, int]
    guards: GuardsRecord | None
    reading: list[str]
    seen: dict[str, Any]
    code: CodeVersion
    versions: dict[str, str]
    started: str
    finished: str
