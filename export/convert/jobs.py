"""Runs the steps of an export, each in a new process; loads no converter itself.

The memory of a step is free again when its process ends. A crash in a converter fails one step
only. The log holds the seconds and the peak memory of every step.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import ExportError
from ...runtime.files import write_json
from ...runtime.interrupts import on_end
from ...runtime.process_memory import peak_mib
from ..types import Json, StepRecord

MEMORY_BUDGET_MIB = 8192
TAIL_LINES = 3
WATCH_S = 0.2  # seconds between two readings of the memory of a step
COMMAND = ("-m", f"{__package__}.worker")
# A fixed hash seed: converters number tensors in the order of sets of strings. No banners.
ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "PYTHONIOENCODING": "utf-8",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",  # conversion has to give the same bytes on every machine
    "NNCF_DISABLE_TELEMETRY": "1",
    "OPENVINO_TELEMETRY_OPT_OUT": "1",
}


@dataclass
class JobRunner:
    """Runs steps one after the other.

    Parameters
    ----------
    folder : Path
        Holds the job, the result and the output of every step.
    on_step : callable, optional
        Called with the title of each step before it starts.
    log : list of StepRecord
        One row a step. The peak of a process that died is the highest memory seen from outside.
    on_log : callable, optional
        Called with the log after each step.
    """

    folder: Path
    on_step: Callable[[str], None] = lambda title: None
    log: list[StepRecord] = field(default_factory=list)
    on_log: Callable[[list[StepRecord]], None] = lambda log: None

    def run(self, title: str, step: str, **job: Any) -> Json:
        """Run one step.

        Parameters
        ----------
        title : str
            Names the step for people.
        step : str
            A key of `alledge.export.convert.worker.STEPS`.
        **job
            The input of the step: JSON values, and paths as str or Path.

        Returns
        -------
        dict
            The result of the step, with its ``seconds`` and ``peak_mib``.

        Raises
        ------
        ExportError
            If the step failed or its process died.
        """
        self.on_step(title)
        base = self.folder / f"job{len(self.log) + 1}"
        job_file, output = base.with_suffix(".json"), base.with_suffix(".log")
        result_file = base.with_suffix(".result.json")
        inputs = {
            key: str(value) if isinstance(value, Path) else value for key, value in job.items()
        }
        write_json(job_file, {"step": step, "result": str(result_file), **inputs})
        began = time.monotonic()
        code, peak = run_worker(job_file, output)
        result = _read_result(result_file, code, output)
        result.setdefault("seconds", round(time.monotonic() - began, 2))
        if peak is not None:
            result.setdefault("peak_mib", peak)
        record = StepRecord(step=title, seconds=result["seconds"])
        if "peak_mib" in result:
            record["peak_mib"] = result["peak_mib"]
        if "error" in result:
            record["error"] = result["error"]
        self.log.append(record)
        self.on_log(self.log)
        if "error" in result:
            raise ExportError(f"{title} failed: {result['error']}")
        return result


def run_worker(job: Path, output: Path) -> tuple[int, int | None]:
    """Run one step in a new process and wait for it.

    If an exception is raised here meanwhile, the process is killed first.

    Parameters
    ----------
    job : Path
        The JSON file that describes the step; see `alledge.export.convert.worker.main`.
    output : Path
        The file that receives what the process prints.

    Returns
    -------
    code : int
        The exit code; negative is the number of the signal that ended the process.
    peak_mib : int or None
        The highest memory seen, in MiB; None if it is not known.
    """
    command = [sys.executable, *COMMAND, str(job)]
    peak: int | None = None
    with output.open("w", encoding="utf-8") as stream:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, **ENVIRONMENT},
        )
        try:
            with on_end(child.kill):
                while True:
                    peak = max(peak or 0, int(peak_mib(child.pid) or 0)) or None
                    try:
                        return child.wait(WATCH_S), peak
                    except subprocess.TimeoutExpired:
                        continue
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()


def _read_result(result_file: Path, code: int, output: Path) -> Json:
    """Return the result of a step; an ``error`` if its process died before it wrote one."""
    try:
        result: Json = json.loads(result_file.read_text(encoding="utf-8"))
        return result
    except (OSError, ValueError):
        cause = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        lines = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        tail = " | ".join(line.strip() for line in lines[-TAIL_LINES:])
        hint = "; out of memory?" if code == -9 else ""
        return {"error": f"its process ended {cause}{hint}{': ' + tail if tail else ''}"}
