"""Converts in a thread while the references are chosen: those results are needed next."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..runtime.machine import memory_mib, usable_cores
from .convert.conversion import Conversion
from .convert.jobs import MEMORY_BUDGET_MIB, JobRunner
from .convert.quantization_recipes import ladder
from .gate.fold_artifacts import FoldArtifacts
from .options import ExportOptions

# Memory to convert a network: what TensorFlow and the converters need, and a multiple of the file.
TENSORFLOW_MIB, MEMORY_PER_SIZE = 1500, 16


def convert_ahead(
    options: ExportOptions,
    jobs: JobRunner,
    conversion: Conversion,
    folds: FoldArtifacts | None,
    artifacts: Path,
) -> Callable[[], None]:
    """Convert by the first recipes in a thread, if memory suffices: the folds, or the model.

    Returns
    -------
    callable
        After it is called, no further fold is begun: the gate converts them side by side.
    """
    first = {name: ladder(name, options.precision)[0] for name in options.formats}
    if folds_at_once(options.run.model_path) == 1:
        return lambda: None
    if folds is not None:
        name = options.formats[0]
        return jobs.run_in_background(
            partial(folds.scores, name, first[name], fold) for fold in options.run.fold_numbers
        )
    tasks = {
        name: partial(conversion.artifact, name, options.precision, recipe, artifacts / name)
        for name, recipe in first.items()
    }
    if "tflite" in tasks:
        jobs.run_in_background([tasks.pop("tflite")])
    corrected = "tflite" in first and first["tflite"].correction
    # TFLite waits for the same step, which measures the float graph for the other formats too.
    shared = conversion.corrected_biases if corrected else conversion.float_tflite
    jobs.run_in_background([shared, *tasks.values()])
    return lambda: None


def folds_at_once(model: Path) -> int:
    """Return the number of folds that are converted side by side, by cores and memory."""
    size_mib = model.stat().st_size / 2**20
    needed_mib = TENSORFLOW_MIB + MEMORY_PER_SIZE * size_mib
    available_mib = min(MEMORY_BUDGET_MIB, memory_mib() or MEMORY_BUDGET_MIB)
    return max(1, min(usable_cores(), int(available_mib // needed_mib)))
