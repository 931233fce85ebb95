"""What is wanted of an export, and what came of it; imports no converter."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..train.runs.run_folder import Run
from .convert.capabilities import FORMATS
from .convert.quantization_recipes import Recipe
from .gate.accuracy_gate import Budget
from .source_run import DecisionRule

Json = dict[str, Any]
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class ExportOptions:
    """What is wanted of an export.

    Parameters
    ----------
    run : Run
    precision : str
    formats : tuple of str
    out : Path
    force : bool
    calibration, reference : Path, optional
        Folders of images instead of the run's own, or the generated ones.
    budget : Budget
    gate : bool
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


@dataclass
class Artifact:
    """One artifact, proven or refused."""

    form: str
    recipe: Recipe
    reading: DecisionRule
    folder: Path
    scores: Scores
    variants: dict[str, Scores]  # of the same artifact, with other kernels
    said: Json
    parity: Json
    gate: Json | None = None


@dataclass
class ExportOutcome:
    """What came of an export: its rows for people and the log of its steps."""

    order: ExportOptions
    made: dict[str, Artifact] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    log: list[Json] = field(default_factory=list)


def default_place(run: Run, precision: str) -> Path:
    """Return ``bundles/<model>[-paper]-<precision>``."""
    return Path("bundles") / bundle_name(run.record["model"], run.record["head"], precision)


def bundle_name(model: str, head: str, precision: str) -> str:
    """Return ``<model>[-paper]-<precision>``."""
    return "-".join((model, *(() if head == "gap" else (head,)), precision))
