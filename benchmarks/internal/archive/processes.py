"""Processes of ``alledge archive``, their memory, and what is in their results."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
import psutil
import pyarrow as pa
from pyarrow import dataset

from ....runtime.archive.results.parts import part_paths
from ....runtime.archive.results.result_set import ResultSet

ALLEDGE = (sys.executable, "-m", "alledge")
SAMPLED_S = 1.0  # a look at twelve processes takes about 10 ms
MIB = 1 << 20


def archive_command(source: str, out: str, *options: str) -> list[str]:
    """Return the command line of ``alledge archive``."""
    return [*ALLEDGE, "archive", source, "--out", out, *options]


def start(command: list[str]) -> subprocess.Popen[str]:
    """Start a process whose output is kept."""
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )


def audit(out: str, expected: int) -> dict[str, Any]:
    """Return how many fields are lost and double in the only partition of results."""
    [partition] = ResultSet(out).partitions()
    paths = part_paths(partition)
    rows: pa.Table = dataset.dataset(paths, filesystem=partition.system).to_table(
        columns=["path", "status"]
    )
    times = Counter(rows["path"].to_pylist())
    return {
        "fields": expected,
        "rows": len(rows),
        "lost": expected - len(times),
        "double": len(rows) - len(times),
        "errors": rows["status"].to_pylist().count("error"),
        "parts": len(paths),
    }


def kind_of(process: psutil.Process) -> str:
    """Return what a process does: the command, a Ray worker, or a part of Ray."""
    words = process.cmdline()
    if words and words[0].startswith("ray::"):
        return str(words[0]).partition(".")[0]
    name = Path(words[0]).name if words else str(process.name())
    is_python = name.startswith("python") and len(words) > 1
    return f"python {Path(words[1]).name}" if is_python else name


@contextmanager
def peak_memory(*processes: subprocess.Popen[str]) -> Iterator[dict[str, float]]:
    """Give the largest unique memory in MiB of each kind of process, as it grows.

    The processes below the first one are told apart by kind; it itself is the command. Unique is
    what ending a process would free; shared memory counts nowhere.
    """
    peaks: dict[str, float] = {}
    ended = threading.Event()

    def note(process: psutil.Process, kind: str) -> None:
        with suppress(psutil.Error):
            used = process.memory_full_info().uss / MIB
            peaks[kind] = round(max(peaks.get(kind, 0.0), used), 1)

    def sample() -> None:
        while not ended.wait(SAMPLED_S):
            for process in processes:
                with suppress(psutil.Error):
                    root = psutil.Process(process.pid)
                    for one in [root, *root.children(recursive=True)]:
                        note(one, "command" if one.pid == processes[0].pid else kind_of(one))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def timed(command: list[str], peaks: dict[str, float], *others: subprocess.Popen[str]) -> float:
    """Return the wall seconds of a command, and note the peak memory of it and of others.

    Raises
    ------
    click.ClickException
        If the command fails, with what it said.
    """
    before = time.perf_counter()
    process = start(command)
    with peak_memory(process, *others) as found:
        _, error = process.communicate()
    seconds = time.perf_counter() - before
    if process.returncode:
        raise click.ClickException(error)
    for kind, used in found.items():
        peaks[kind] = max(peaks.get(kind, 0.0), used)
    return seconds


def pictures(folder: Path) -> list[Path]:
    """Return the pictures of a folder."""
    return sorted(path for path in folder.rglob("*") if path.suffix in (".jpg", ".png", ".tif"))
