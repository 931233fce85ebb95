"""The options and the outcome of an export; imports no converter."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..train.runs.run_folder import Run
from .convert.capabilities import FORMATS
from .gate.accuracy_gate import Budget
from .types import Artifact, StepRecord


@dataclass(frozen=True)
class ExportOptions:
    """The options of one export.

    Parameters
    ----------
    run : Run
        The finished run to export.
    precision : {"float32", "float16", "dynamic", "int8"}
    formats : tuple of str
    out : Path
        The folder of the bundle.
    force : bool
        Replace an existing bundle.
    calibration : Path, optional
        Folder of images for int8 ranges; the run's training images by default.
    reference : Path, optional
        Folder of images that may be shipped as references; generated smears by default.
    budget : Budget
    gate : bool
        Measure the cost of the precision on out-of-fold images.
    """

    run: Run
    precision: str
    formats: tuple[str, ...] = FORMATS
    out: Path = Path("bundles")
    force: bool = False
    calibration: Path | None = None
    reference: Path | None = None
    budget: Budget = field(default_factory=Budget)
    gate: bool = True


@dataclass(frozen=True)
class ExportOutcome:
    """A finished export.

    Parameters
    ----------
    options : ExportOptions
    artifacts : dict of str to Artifact
        By format. Their files are in the bundle now.
    log : list of StepRecord
        The steps of the export.
    seconds : float
        Duration of the export.
    peak_mib : int
        The most memory that all worker processes used together.
    """

    options: ExportOptions
    artifacts: dict[str, Artifact]
    log: list[StepRecord]
    seconds: float = 0.0
    peak_mib: int = 0


def default_place(run: Run, precision: str) -> Path:
    """Return ``bundles/<model>[-cell][-paper]-<precision>``."""
    record = run.record
    name = bundle_name(record["model"], record["head"], precision, record["task"])
    return Path("bundles") / name


def bundle_name(model: str, head: str, precision: str, task: str = "field") -> str:
    """Return ``<model>[-cell][-<head>]-<precision>``; the head ``gap`` is not named.

    Examples
    --------
    >>> bundle_name("vgg16", "paper", "int8")
    'vgg16-paper-int8'
    >>> bundle_name("vgg16", "gap", "int8", "cell")
    'vgg16-cell-int8'
    """
    unusual = [*([] if task == "field" else [task]), *([] if head == "gap" else [head])]
    return "-".join([model, *unusual, precision])
