"""Processes of ``alledge archive``, their memory, and what is in their results."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
from pyarrow import dataset

from ....runtime.archive.results.parts import part_paths
from ....runtime.archive.results.result_set import ResultSet

ALLEDGE = (sys.executable, "-m", "alledge")
SAMPLED_S = 0.5
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
def peak_memory(process: subprocess.Popen[str]) -> Iterator[dict[str, float]]:
    """Give the largest unique memory in MiB of each kind of process below one, as it grows.

    That is the memory that ending the process would free; shared memory counts nowhere.
    """
    peaks: dict[str, float] = {}
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(SAMPLED_S):
            with suppress(psutil.Error):
                root = psutil.Process(process.pid)
                for one in [root, *root.children(recursive=True)]:
                    with suppress(psutil.Error):
                        kind = "command" if one.pid == process.pid else kind_of(one)
                        used = one.memory_full_info().uss / MIB
                        peaks[kind] = round(max(peaks.get(kind, 0.0), used), 1)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()
