"""Exports a finished run into a bundle of checked artifacts; loads no converter itself."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from ..errors import ExportError
from ..runtime.files import write_json
from ..runtime.interrupts import on_end
from .ahead import folds_at_once
from .attempts import FormatOutcome, convert_format
from .bundle.assembly import FLOAT_DECISION, OWN_DECISION, assemble, bundle_record, format_entry
from .bundle.writer import (
    LOG_SCHEMA,
    check_place,
    clear_leftovers,
    has_ended,
    log_path,
    put_aside,
)
from .convert.capabilities import check_formats
from .convert.conversion import INTEGER
from .convert.jobs import JobRunner
from .convert.step_cache import StepCache
from .options import ExportOptions, ExportOutcome
from .preparation import MODEL_TITLE, Preparation, prepare
from .types import Artifact, StepRecord

WORK_FOLDER = "alledge-export-"  # prefix of the temporary folder that holds calibration images
DELETE_TRIES, DELETE_PAUSE_S = 50, 0.1
EXIT_TERMINATED = 128 + 15  # the exit code that shells give a process ended by SIGTERM


def export_run(
    options: ExportOptions,
    on_step: Callable[[str], None] = lambda title: None,
    say: Callable[[str], None] = lambda text: None,
    on_plan: Callable[[int], None] = lambda steps: None,
) -> ExportOutcome:
    """Convert a run, check each artifact against the float model, and write the bundle.

    Parameters
    ----------
    options : ExportOptions
    on_step : callable, optional
        Called with the title of each step.
    say : callable, optional
        Called with messages for the user.
    on_plan : callable, optional
        Called with the number of steps of the whole export, if every first recipe passes.

    Returns
    -------
    ExportOutcome

    Raises
    ------
    UsageError
        If a format cannot do the precision, or the bundle's place is taken.
    ExportError
        If a conversion fails or an artifact is not the same model. The artifacts are then kept
        aside as ``*.rejected``, and no bundle is written.
    RunError
        If the run does not say which images each fold trained on.

    Examples
    --------
    >>> run = newest_finished("runs", "mobilenetv2")
    >>> export_run(ExportOptions(run, "int8", out=default_place(run, "int8")))
    """
    check_formats(options.precision, options.formats)
    clear_leftovers(options.out)
    check_place(options.out, options.force)
    began = time.monotonic()
    with (
        _exit_on_sigterm(),
        _work_folder() as folder,
        JobRunner(
            folder,
            on_step,
            on_log=lambda log: _write_log(options.out, log),
            cache=StepCache(),
        ) as jobs,
    ):
        # Without a gate there is one network, and one process that has it loaded is faster.
        jobs.limit(folds_at_once(options.run.model_path) if options.gate else 1)
        try:
            prepared = prepare(options, jobs, folder, say)
            on_plan(planned_steps(prepared, steps_of_references(jobs.log)))
            outcomes = {
                format_name: convert_format(prepared, format_name, say)
                for format_name in options.formats
            }
            if any(outcome.failure for outcome in outcomes.values()):
                raise _refuse(prepared, outcomes)
            artifacts = {
                format_name: outcome.artifact
                for format_name, outcome in outcomes.items()
                if outcome.artifact is not None
            }
            _write_bundle(prepared, artifacts)
        finally:
            jobs.report_log()
    return ExportOutcome(options, artifacts, jobs.log, time.monotonic() - began, jobs.peak_mib)


def planned_steps(prepared: Preparation, done: int) -> int:
    """Return the number of steps of an export if the first recipe of every format passes."""
    options = prepared.options
    formats, folds = options.formats, 0 if prepared.gate is None else prepared.gate.fold_count
    per_format = 2 * folds + 2 + (prepared.shipped_check is not None)
    steps = done + len(formats) * per_format
    if options.precision in INTEGER and "tflite" in formats:
        steps += 1  # the scores by other kernels
    is_int8 = options.precision == "int8"
    needs_onnx = is_int8 or {"onnx", "openvino"} & set(formats)
    if needs_onnx:
        steps += folds  # float graphs; that of the model itself is done
        steps += folds + 1  # ONNX graphs
    return steps + (folds + 1 if is_int8 and "tflite" in formats else 0)  # biases


def steps_of_references(log: list[StepRecord]) -> int:
    """Return how many steps chose the references; others may have been done ahead meanwhile."""
    kinds = ("float graph", "scores")
    return sum(row["step"].startswith(MODEL_TITLE) and row["step"].endswith(kinds) for row in log)


@contextmanager
def _work_folder() -> Iterator[Path]:
    """Yield an empty temporary folder, then delete it. First delete those of killed exports."""
    for leftover in Path(tempfile.gettempdir()).glob(f"{WORK_FOLDER}*"):
        match = re.match(rf"{WORK_FOLDER}(\d+)-", leftover.name)
        if match and has_ended(match[1]) and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{WORK_FOLDER}{os.getpid()}-"))
    with on_end(lambda: shutil.rmtree(folder, ignore_errors=True)):
        try:
            yield folder
        finally:
            _delete(folder)


def _delete(folder: Path) -> None:
    """Delete a folder; a step that is being ended may still write a file into it."""
    for _ in range(DELETE_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(DELETE_PAUSE_S)


@contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so that the running step and the work folder are cleaned up."""

    def end(number: int, frame: FrameType | None) -> Any:
        raise SystemExit(EXIT_TERMINATED)

    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield  # only the main thread may set a handler, and the command line has set its own
        return
    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _write_log(out: Path, steps: list[StepRecord]) -> None:
    """Write the log beside the bundle; after each step, so that a killed export leaves one."""
    write_json(
        log_path(out),
        {"schema": LOG_SCHEMA, "schema_version": 1, "steps": steps},
    )


def _write_bundle(prepared: Preparation, artifacts: dict[str, Artifact]) -> None:
    options, gate = prepared.options, prepared.gate
    fitted_on = OWN_DECISION if gate and gate.not_cross_fitted is None else FLOAT_DECISION
    formats = {
        format_name: format_entry(artifact, options.precision, fitted_on, prepared.calibration)
        for format_name, artifact in artifacts.items()
    }
    run = {**options.run.record, "guards": prepared.guards}
    record = bundle_record(run, prepared.name, options.precision, formats)
    assemble(options.out, options.force, record, artifacts, prepared.references)


def _refuse(prepared: Preparation, outcomes: dict[str, FormatOutcome]) -> ExportError:
    """Keep the refused artifacts as files and return the error that explains why."""
    options = prepared.options
    failures = {name: row.failure for name, row in outcomes.items() if row.failure is not None}
    artifacts = {name: row.artifact for name, row in outcomes.items() if row.artifact is not None}
    why = {
        "schema": "alledge/rejected",
        "schema_version": 1,
        "failures": failures,
        "gates": {
            name: {
                "evaluated": prepared.gate is not None,
                "tried": [attempt.record() for attempt in outcomes[name].attempts],
            }
            for name in failures
        },
        "parity": {name: artifact.parity for name, artifact in artifacts.items()},
    }
    folders = {name: artifact.folder for name, artifact in artifacts.items()}
    aside = put_aside(options.out, folders, {"why.json": why})
    reasons = "; ".join(f"{name}: {failure}" for name, failure in failures.items())
    passed = [name for name in options.formats if name not in failures]
    return ExportError(
        f"no bundle was written: {reasons}. The artifacts are kept in {aside}",
        fix=f"--format {','.join(passed)} leaves the rest out"
        if passed
        else "more calibration images, another precision, or a larger --max-auc-drop or "
        "--max-lost-rate",
    )
