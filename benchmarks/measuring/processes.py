"""Processes of their own: a worker's job, and the cold start of the command itself."""

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

Json = dict[str, Any]

# Ending all processes of a terminal ends the measuring; no engine's crash looks like that.
INTERRUPTED = (-signal.SIGINT, -signal.SIGTERM)
LAST_WORDS = 300  # characters of stderr that a failed row keeps


def run_worker(job: Json, timeout_s: float, cache: Path) -> Json:
    """Do a job in a process of its own, and return what it found.

    Parameters
    ----------
    job : dict
    timeout_s : float
    cache : Path
        Folder for what an engine compiles; an empty one makes it compile anew.

    Raises
    ------
    BackendError
        If the process crashed, ran out of time, or found nothing but an error.
    """
    with tempfile.TemporaryDirectory(prefix="alledge-benchmark-") as folder:
        order, answer = Path(folder) / "job.json", Path(folder) / "answer.json"
        order.write_text(json.dumps({**job, "answer": str(answer)}), encoding="utf-8")
        _run(
            [sys.executable, "-m", "alledge.benchmarks.measuring.round_worker", str(order)],
            timeout_s,
            cache,
        )
        document: Json = json.loads(answer.read_text(encoding="utf-8"))
    if document["error"]:
        raise BackendError(document["error"])
    found: Json = document["found"]
    return found


def cold_start_ms(
    bundle: Path, backend: str, threads: int, image: Path, timeout_s: float, cache: Path
) -> float:
    """Return the wall time of ``alledge classify IMAGE`` as a whole process."""
    command = [sys.executable, "-m", "alledge", "classify", str(image), "--bundle", str(bundle)]
    command += ["--backend", backend, "--threads", str(threads), "--json"]
    return _run(command, timeout_s, cache) * 1000


def _run(command: list[str], timeout_s: float, cache: Path) -> float:
    """Run a process that must succeed; return its seconds."""
    environment = {**os.environ, CACHE_VARIABLE: str(cache)}
    started = time.perf_counter()
    try:
        done = subprocess.run(
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
    if done.returncode in INTERRUPTED:
        raise KeyboardInterrupt
    if done.returncode:
        raise BackendError(_why(done.returncode, done.stderr))
    return seconds


def _why(code: int, stderr: str) -> str:
    """Return in words how a process ended."""
    said = " ".join(stderr.split())[-LAST_WORDS:]
    how = f"exit code {code}"
    if code < 0:
        try:
            how = f"killed by {signal.Signals(-code).name}"
        except ValueError:
            how = f"killed by signal {-code}"
    return f"its process crashed ({how}){': ' + said if said else ''}"
