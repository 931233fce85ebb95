"""Runs the worker process of a round, and ``alledge classify`` as a whole process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ...errors import BackendError
from ...runtime.caches import CACHE_VARIABLE
from ...runtime.json_documents import read_json
from ..types import AccuracyJob, ModelJob

# A terminal sends these signals to all of its processes when the user stops the measurement.
# An engine that crashes ends with other signals.
INTERRUPTED = (-signal.SIGINT, -signal.SIGTERM, 128 + signal.SIGINT, 128 + signal.SIGTERM)
STDERR_CHARACTERS = 300  # the end of stderr that a failed row keeps


def run_worker(work: str, job: ModelJob | AccuracyJob, timeout_s: float, cache: Path) -> Any:
    """Run one job of `round_worker` in a new process and return its result.

    Parameters
    ----------
    work : {"round", "model", "accuracy"}
    job : ModelJob or AccuracyJob
    timeout_s : float
    cache : Path
        Folder for compiled models. An engine compiles again if the folder is empty.

    Returns
    -------
    dict
        What the function of the job returns.

    Raises
    ------
    BackendError
        If the process crashed, exceeded the time limit, or reported an error.
    """
    with tempfile.TemporaryDirectory(prefix="alledge-benchmark-") as folder:
        job_file, answer_file = Path(folder) / "job.json", Path(folder) / "answer.json"
        request = {"work": work, "job": job, "answer": str(answer_file)}
        job_file.write_text(json.dumps(request), encoding="utf-8")
        module = "alledge.benchmarks.measuring.round_worker"
        run_process([sys.executable, "-m", module, str(job_file)], timeout_s, cache)
        answer = read_json(answer_file, error=BackendError, file_names=True)
    if answer["error"]:
        raise BackendError(answer["error"])
    return answer["result"]


def cold_start_ms(job: ModelJob, timeout_s: float, cache: Path) -> float:
    """Return the wall time of ``alledge classify IMAGE`` as a whole process, in milliseconds.

    Raises
    ------
    BackendError
        As `run_process`.
    """
    command = [sys.executable, "-m", "alledge", "classify", job["image"], "--json"]
    command += ["--bundle", job["bundle"], "--backend", job["backend"]]
    return run_process([*command, "--threads", str(job["threads"])], timeout_s, cache) * 1000


def run_process(command: list[str], timeout_s: float, cache: Path) -> float:
    """Run a process and return its wall time in seconds.

    Raises
    ------
    BackendError
        If the process exceeds the time limit or fails.
    KeyboardInterrupt
        If the process was interrupted together with this one.
    """
    environment = {**os.environ, CACHE_VARIABLE: str(cache)}
    started = time.perf_counter()
    try:
        process = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        raise BackendError(f"no answer within {timeout_s:g} s") from None
    seconds = time.perf_counter() - started
    if process.returncode in INTERRUPTED:
        raise KeyboardInterrupt
    if process.returncode:
        raise BackendError(_describe_crash(process.returncode, process.stderr))
    return seconds


def _describe_crash(code: int, stderr: str) -> str:
    end = " ".join(stderr.split())[-STDERR_CHARACTERS:]
    how = f"exit code {code}"
    if code < 0:
        try:
            how = f"killed by {signal.Signals(-code).name}"
        except ValueError:
            how = f"killed by signal {-code}"
    return f"its process crashed ({how}){': ' + end if end else ''}"
