"""Runs the steps of an export, each in a process of its own; loads no converter itself.

Memory goes back with the process, a crash in a converter is one failed step, and every step's
seconds and peak memory go into the log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ExportError
from ..runtime.files import write_json

Json = dict[str, Any]
MEMORY_BUDGET_MIB = 8192
TAIL_LINES = 3
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
        One row a step: title, seconds, peak_mib, and error where it failed.
    """

    folder: Path
    watch: Callable[[str], None] = lambda title: None
    log: list[Json] = field(default_factory=list)

    def run(self, title: str, step: str, **job: Any) -> Json:
        """Run one step.

        Parameters
        ----------
        title : str
            What a person reads of it.
        step : str
            A key of `alledge.export.worker.STEPS`.
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
        command = [sys.executable, *COMMAND, str(place.with_suffix(".json"))]
        with place.with_suffix(".log").open("w", encoding="utf-8") as output:
            code = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **ENVIRONMENT},
                check=False,
            ).returncode
        outcome = _outcome(result, code, place.with_suffix(".log"))
        kept: Json = {
            key: outcome[key] for key in ("seconds", "peak_mib", "error") if key in outcome
        }
        self.log.append({"step": title, **kept})
        if "error" in outcome:
            raise ExportError(f"{title} failed: {outcome['error']}")
        return outcome


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
