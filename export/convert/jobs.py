"""Runs the steps of an export, each in a process of its own; loads no converter itself.

Memory goes back with the process, a crash in a converter is one failed step, and every step's
seconds and peak memory go into the log.
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
from ...runtime.process_memory import peak_mib

Json = dict[str, Any]
MEMORY_BUDGET_MIB = 8192
TAIL_LINES = 3
WATCH_S = 0.2  # between two looks at the memory of a step
COMMAND = ("-m", f"{__package__}.worker")
# One seed for sets of strings, or the converters number their tensors anew every time; no banners.
ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "PYTHONIOENCODING": "utf-8",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "CUDA_VISIBLE_DEVICES": "-1",  # conversion is the same on every desk
    "NNCF_DISABLE_TELEMETRY": "1",
    "OPENVINO_TELEMETRY_OPT_OUT": "1",
}


@dataclass
class Jobs:
    """Runs steps one after the other.

    Parameters
    ----------
    folder : Path
        Where the jobs, their results and what they print are put.
    watch : callable, optional
        Called with the title of each step before it starts.
    log : list of dict
        One row a step: title, seconds, peak_mib, and error where it failed. Of a step whose
        process died the peak is what was seen of it from here.
    logged : callable, optional
        Called with the log after each step.
    """

    folder: Path
    watch: Callable[[str], None] = lambda title: None
    log: list[Json] = field(default_factory=list)
    logged: Callable[[list[Json]], None] = lambda log: None

    def run(self, title: str, step: str, **job: Any) -> Json:
        """Run one step.

        Parameters
        ----------
        title : str
            What a person reads of it.
        step : str
            A key of `alledge.export.convert.worker.STEPS`.
        **job
            What the step needs; JSON, paths as str or Path.

        Returns
        -------
        dict
            Its result: ``seconds``, ``peak_mib`` and what the step says.

        Raises
        ------
        ExportError
            If the step failed or its process died.
        """
        self.watch(title)
        number = len(self.log) + 1
        place = self.folder / f"job{number}"
        settings = {
            key: str(value) if isinstance(value, Path) else value for key, value in job.items()
        }
        result = place.with_suffix(".result.json")
        write_json(place.with_suffix(".json"), {"step": step, "result": str(result), **settings})
        began = time.monotonic()
        code, peak = run_worker(place.with_suffix(".json"), place.with_suffix(".log"))
        outcome = _outcome(result, code, place.with_suffix(".log"))
        outcome.setdefault("seconds", round(time.monotonic() - began, 2))
        if peak is not None:
            outcome.setdefault("peak_mib", peak)
        kept: Json = {
            key: outcome[key] for key in ("seconds", "peak_mib", "error") if key in outcome
        }
        self.log.append({"step": title, **kept})
        self.logged(self.log)
        if "error" in outcome:
            raise ExportError(f"{title} failed: {outcome['error']}")
        return outcome


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


def _outcome(result: Path, code: int, output: Path) -> Json:
    try:
        outcome: Json = json.loads(result.read_text(encoding="utf-8"))
        return outcome
    except (OSError, ValueError):  # the process died before it could say why
        died = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        lines = output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        tail = " | ".join(line.strip() for line in lines[-TAIL_LINES:])
        hint = "; out of memory?" if code == -9 else ""
        return {"error": f"its process ended {died}{hint}{': ' + tail if tail else ''}"}
