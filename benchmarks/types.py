"""Types of the benchmark's JSON documents: the result, its rows, the log of rounds, and jobs."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

# The machine block is what `alledge.devices.detection.describe_machine` returns.
Machine = dict[str, Any]
Status = Literal["ok", "failed"]


class TimedImage(TypedDict):
    """The image file that is timed end to end. `width` and `height` are pixels."""

    source: str  # "drawn", "data" or "given"
    width: int
    height: int
    bytes: int
    sha256: str


class SettingsBlock(TypedDict):
    """How long each round lasted and how many rounds were allowed."""

    seconds: float
    min_rounds: int
    max_rounds: int
    width: float
    confidence: float
    image: TimedImage


class DataBlock(TypedDict):
    """The data set that accuracy was measured on."""

    name: str
    layout: str
    fingerprint: str
    images: int
    generated: bool


class Samples(TypedDict):
    """Times of one operation that was repeated within one round, in milliseconds."""

    first_ms: float
    samples_ms: list[float]
    wall_ms: float  # wall time of the timed loop, divided by the number of samples
    cpu_ms: float  # CPU time of the timed loop, divided by the number of samples


class StageSamples(TypedDict):
    """Milliseconds of the stages of one field that a cell model judges, one sample a repetition."""

    cells: int  # of the timed image
    decode_ms: list[float]
    detect_ms: list[float]
    judge_ms: list[float]  # all cells of the field


class Stages(TypedDict):
    """Medians of the stages of one field, in milliseconds."""

    cells: int
    decode_ms: float
    detect_ms: float
    judge_ms: float
    cell_ms: float | None  # to judge one cell; None without a cell


class Throughput(TypedDict):
    """Rates with `workers` images in progress at the same time."""

    images_per_s: float
    inferences_per_s: float
    workers: int


class ModelJob(TypedDict):
    """What a worker process measures: one configuration on one image."""

    bundle: str
    backend: str
    threads: int
    image: str
    seconds: float


class AccuracyJob(TypedDict):
    """What a worker process evaluates: one artifact on a data set."""

    bundle: str
    backend: str
    threads: int
    data: str
    layout: str | None
    positive: list[str]
    labels_file: str | None
    include_seen: bool


class AccuracyOutcome(TypedDict):
    """What a worker process returns for an `AccuracyJob`. One of the two is None."""

    document: dict[str, Any] | None  # the document of `alledge evaluate --json`
    why: str | None  # the reason why there is no image to measure on


class CellRound(TypedDict, total=False):
    """What a round of a cell model measured beside."""

    stages: StageSamples


class RoundFigures(Samples, CellRound):
    """What one round measured. The inherited fields are the times of the model alone."""

    engine: str
    load_ms: float
    end_to_end: Samples
    steady_mib: float | None
    peak_mib: float | None
    throughput: Throughput


class TimedRound(RoundFigures):
    """The figures of a round, with the cold start that its caller measured."""

    cold_start_ms: float


class Noise(TypedDict):
    """What disturbed the machine during a round. None means that the system does not report it."""

    calibration_ms: float
    others_cores: float | None
    stolen_cores: float | None
    stopped_share: float | None
    hot_events: int | None
    mhz: float | None
    celsius: float | None


class RoundRecord(TypedDict):
    """One line of the log of rounds: a timed round."""

    work: Literal["round"]
    key: str
    round: int
    at: str
    status: Status
    found: TimedRound | None
    why: str | None
    noise: Noise


class AccuracyRecord(TypedDict):
    """One line of the log of rounds: the accuracy of an artifact."""

    work: Literal["accuracy"]
    key: str
    at: str
    status: Status
    found: dict[str, Any] | None  # the document of `alledge evaluate --json`
    why: str | None


class Interval(TypedDict):
    """Confidence interval of a median over rounds, in milliseconds."""

    low: float
    high: float
    confidence: float
    rounds: int


class Ratio(TypedDict):
    """Paired ratio of two measurements with its 95 % interval."""

    ratio: float
    low: float
    high: float
    rounds: int


class Times(TypedDict):
    """The block of times of a row, in milliseconds. A percentile without enough samples is None."""

    load_ms: float | None
    first_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    mean_ms: float
    sd_ms: float | None
    n: int
    ci: Interval | None


class Training(TypedDict):
    """What the bundle records about its weights."""

    weights: str | None
    data: str | None
    generated: bool | None
    out_of_fold: dict[str, Any] | None


class CellRow(TypedDict, total=False):
    """What only the row of a cell model has."""

    task: Literal["cell"]
    stages: Stages | None


class RowFigures(TypedDict):
    """The measured part of a row. Everything is None in a failed row."""

    engine: str | None
    latency: Times | None
    end_to_end: Times | None
    throughput: Throughput | None
    cold_start_ms: float | None
    peak_mib: float | None
    steady_mib: float | None
    cpu_ms: float | None
    rounds: int
    reached_width: bool | None


class RowFacts(TypedDict):
    """The part of a row that identifies the artifact and its configuration."""

    kind: Literal["measured", "estimated"]
    status: Status
    why: str | None
    model: str
    head: str | None
    precision: str
    computes_in: str | None
    backend: str
    threads: int
    bundle: str
    digest: str | None
    parity: str | None
    file_bytes: int | None
    training: Training
    accuracy: dict[str, Any] | None
    accuracy_note: str | None
    noise: list[str]
    set_aside: int
    measured_at: str


class ResultRow(RowFacts, RowFigures, CellRow):
    """One configuration in a result: a bundle on an engine with a number of threads."""


class Conditions(TypedDict):
    """What all rows of a result have in common."""

    machine: Machine
    settings: SettingsBlock
    data: DataBlock | None


class Result(Conditions):
    """The document ``benchmark.json``: everything that was measured on one machine."""

    schema: str
    schema_version: int
    created: str
    alledge: str
    commit: str | None
    complete: bool
    rows: list[ResultRow]
