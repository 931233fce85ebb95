"""The whole of an export: a finished run in, a proven bundle out; loads no converter itself."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from ..errors import ExportError
from ..runtime.files import write_json
from .bundle.writer import check_place, clear_leftovers, gone, put_aside
from .convert.capabilities import check_formats
from .convert.jobs import Jobs
from .options import ExportOptions, ExportOutcome
from .work import Work

WORK = "alledge-export-"  # of a folder that holds calibration images while an export runs
TERMINATED = 128 + 15  # the exit code that shells know


def export_run(
    order: ExportOptions,
    watch: Callable[[str], None] = lambda title: None,
    say: Callable[[str], None] = lambda text: None,
) -> ExportOutcome:
    """Convert a run, prove each artifact, and write the bundle.

    Parameters
    ----------
    order : ExportOptions
    watch : callable, optional
        Called with the title of each step.
    say : callable, optional
        Called with what a person should know.

    Returns
    -------
    Export

    Raises
    ------
    UsageError
        If a format cannot do the precision, or the bundle's place is taken.
    ExportError
        If a conversion fails or an artifact is not the same model; what was made is kept aside
        as ``*.rejected`` then, and no bundle is written.
    """
    check_formats(order.precision, order.formats)
    clear_leftovers(order.out)
    check_place(order.out, order.force)
    with _ending_cleanly(), _work_folder() as folder:
        jobs = Jobs(folder, watch, logged=lambda log: _write_log(order.out, log))
        work = Work(order, jobs, folder, say)
        result = ExportOutcome(order, log=jobs.log)
        try:
            work.prepare()
            for form in order.formats:
                try:
                    result.made[form] = work.make(form)
                except ExportError as error:
                    result.failures[form] = error.what
            if result.failures:
                raise _refusal(result, work)
            work.write(result.made)
        finally:
            _write_log(order.out, jobs.log)
    return result


@contextmanager
def _work_folder() -> Iterator[Path]:
    """Give an empty folder; it goes, and with it what killed exports left of theirs."""
    for left in Path(tempfile.gettempdir()).glob(f"{WORK}*"):
        found = re.match(rf"{WORK}(\d+)-", left.name)
        if found and gone(found[1]) and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{WORK}{os.getpid()}-") as folder:
        yield Path(folder)


@contextmanager
def _ending_cleanly() -> Iterator[None]:
    """End by an exception when asked to terminate, so that step and work folder end with us."""

    def end(number: int, frame: FrameType | None) -> Any:
        raise SystemExit(TERMINATED)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _write_log(out: Path, steps: list[dict[str, Any]]) -> None:
    """Write the log beside the bundle's place: after each step, so that a kill leaves it."""
    write_json(
        out.with_name(f"{out.name}.log.json"),
        {"schema": "alledge/export-log", "schema_version": 1, "steps": steps},
    )


def _refusal(result: ExportOutcome, work: Work) -> ExportError:
    out = result.order.out
    aside = put_aside(
        out,
        work.folders(),
        {
            "why.json": {
                "schema": "alledge/rejected",
                "schema_version": 1,
                "failures": result.failures,
                "gates": work.gates,
                "parity": work.parities,
            }
        },
    )
    good = [form for form in result.order.formats if form in result.made]
    told = "; ".join(f"{form}: {why}" for form, why in result.failures.items())
    return ExportError(
        f"no bundle was written: {told}. What was made is kept in {aside}",
        fix=f"--format {','.join(good)} leaves the rest out"
        if good
        else "more calibration images, another precision, or a larger --max-auc-drop or "
        "--max-lost-positives",
    )
