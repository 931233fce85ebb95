"""Types of the JSON documents of `alledge.devices`; each has a schema in ``runtime/schemas``."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Status = Literal["ok", "warn", "fail"]

# Name of the kind, operations, weights, activations, number of equal layers.
CountedLayer = tuple[str, int, int, int, int]


class MachineDescription(TypedDict):
    """What a machine is. None means that the system does not report it."""

    board: str | None
    arch: str  # as Linux wheels name it
    cpu: str | None
    flags: list[str]  # instruction sets, as /proc/cpuinfo spells them
    cores_physical: int | None
    cores_logical: int | None
    cores_usable: int  # by this process
    quota_cores: float | None  # limit of the container
    governor: str | None
    memory_mib: float | None
    os: str
    kernel: str
    python: str
    libc: str | None
    versions: dict[str, str | None]  # of installed packages
    accelerators: list[str]
    providers: list[str] | None  # execution providers of ONNX Runtime


class SystemDescription(TypedDict, total=False):
    """The part of a `MachineDescription` that Windows and macOS report by their own calls."""

    board: str | None
    cpu: str | None
    flags: list[str]
    cores_physical: int | None
    memory_mib: float | None
    os: str


class EngineChoice(TypedDict):
    """Backend, precision and threads for a machine, with the reasons."""

    backend: str | None  # None if no engine is installed
    precision: str
    threads: int
    why: list[str]


class DetectDocument(TypedDict):
    """`alledge devices detect --json`."""

    schema: str
    schema_version: int
    device: str | None  # name of the profile
    runs: bool | None
    machine: MachineDescription
    use: EngineChoice


class FindingRow(TypedDict):
    """One finding of `alledge doctor`."""

    what: str
    status: Status
    found: str
    fix: str | None


class DoctorDocument(TypedDict):
    """`alledge doctor --json`."""

    schema: str
    schema_version: int
    bundle: str | None
    verdict: Status
    findings: list[FindingRow]
    machine: MachineDescription


class PackedBundle(TypedDict):
    """The bundle of a pack."""

    name: str
    digest: str


class PackDocument(TypedDict):
    """``pack.json``, which the signature of a pack covers."""

    schema: str
    schema_version: int
    alledge: str  # version
    device: str
    system: str
    arch: str
    python: str  # "3.11"
    backend: str
    pip: str  # path of pip's wheel in the pack
    leave_out: list[str]  # patterns, deleted after installation
    needs_bytes: int
    bundle: PackedBundle
    files: dict[str, str]  # SHA-256 by path


class Estimate(TypedDict):
    """Estimated latency and memory of one prediction."""

    kind: Literal["estimated"]
    ms: float
    low_ms: float
    high_ms: float
    memory_mib: float
    basis: str


class ResultRow(TypedDict):
    """One measured or estimated combination of board, model and precision."""

    kind: Literal["measured", "estimated"]
    device: str
    model: str
    precision: str
    backend: str
    threads: int
    ms: float
    low_ms: float | None
    high_ms: float | None
    memory_mib: float | None
    basis: str


class RecommendedRow(ResultRow):
    """A row that meets the limits: certainly ("yes") or by its estimate only ("perhaps")."""

    holds: Literal["yes", "perhaps"]


class Band(TypedDict):
    """Smallest and largest ratio of an estimate to the known figure."""

    low: float
    high: float


class CellRecommendation(TypedDict, total=False):
    """What a recommendation of models of cells has beside."""

    cells: int  # of the field that the rows are for


class RecommendDocument(CellRecommendation):
    """`alledge devices recommend --json`."""

    schema: str
    schema_version: int
    max_latency_ms: float | None
    max_memory_mib: float | None
    band: Band
    rows: list[RecommendedRow]


class CalibrationRow(TypedDict):
    """One measured row of the roofline calibration."""

    model: str
    precision: str
    backend: str
    threads: int
    ms: float
    peak_mib: float | None


class RooflineCalibration(TypedDict):
    """``roofline_calibration.json``."""

    command: str
    machine: dict[str, Any]
    versions: dict[str, str | None]
    created: str
    models: dict[str, list[CountedLayer]]
    rows: list[CalibrationRow]
