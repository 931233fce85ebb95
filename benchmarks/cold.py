"""Cold start: whole processes, ``alledge classify`` against the bare ten-line script, interleaved.

``python -m alledge.benchmarks.cold BUNDLE IMAGE [--keras model.keras]``. Page cache warm; wall time
and peak memory of the process as the kernel counts them (no memory on Windows).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import click

from ..runtime.backends import installed_backends
from ..runtime.bundle import Bundle
from ..runtime.machine import usable_cores
from .bare import KERAS, script

RUNS, KERAS_RUNS = 15, 3
ALLOWED_RATIO, ALLOWED_MORE_MS, ALLOWED_MEMORY = 1.15, 60.0, 1.10


def run(command: list[str]) -> tuple[float, float]:
    """Return wall milliseconds and peak MiB of a process; it must succeed."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if hasattr(os, "wait4"):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        peak = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
    else:
        process.wait()
        peak = float("nan")
    elapsed = (time.perf_counter() - started) * 1000
    if process.returncode:
        raise click.ClickException(f"exit code {process.returncode}: {' '.join(command)}")
    return elapsed, peak


def compare(bundle: Bundle, backend: str, image: str, python: str, threads: int) -> dict[str, Any]:
    """Return medians of both, and their ratios."""
    artifact = str(bundle.path / bundle.formats[backend].file)
    ours = [python, "-m", "alledge", "classify", image, "--bundle", str(bundle.path)]
    commands = {
        "bare": [python, "-c", script(backend, threads), artifact, image],
        "alledge": [*ours, "--backend", backend, "--threads", str(threads)],
    }
    for command in commands.values():  # page cache, byte code, compiled model
        run(command)
    rows: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, command in commands.items():
            rows[name].append(run(command))
    (bare_ms, bare_mib), (ms, mib) = (
        tuple(median(row[at] for row in rows[name]) for at in (0, 1)) for name in commands
    )
    return {
        "bundle": bundle.name,
        "backend": backend,
        "threads": threads,
        "bare_ms": round(bare_ms, 1),
        "alledge_ms": round(ms, 1),
        "time_ratio": round(ms / bare_ms, 3),
        "more_ms": round(ms - bare_ms, 1),
        "bare_mib": round(bare_mib, 1),
        "alledge_mib": round(mib, 1),
        "memory_ratio": round(mib / bare_mib, 3),
        "within": bool(
            (ms / bare_ms <= ALLOWED_RATIO or ms - bare_ms <= ALLOWED_MORE_MS)
            and not mib / bare_mib > ALLOWED_MEMORY
        ),
    }


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.argument("image", type=click.Path())
@click.option("--python", default=sys.executable, help="Interpreter to measure.")
@click.option("--backend", multiple=True, help="Only this one; may be given again.")
@click.option("--threads", type=int, default=usable_cores(), show_default=True)
@click.option("--keras", type=click.Path(), help="Also the naive Keras script, on this model.")
def main(
    bundles: tuple[Path, ...],
    image: str,
    python: str,
    backend: tuple[str, ...],
    threads: int,
    keras: str | None,
) -> None:
    """Print one JSON line a bundle and backend."""
    for path in bundles:
        bundle = Bundle.open(path)
        for name in backend or installed_backends():
            if name in bundle.formats:
                print(json.dumps(compare(bundle, name, image, python, threads)), flush=True)
    if keras:
        rows = [run([python, "-c", KERAS, keras, image]) for _ in range(KERAS_RUNS)]
        figures = {"ms": round(median(row[0] for row in rows)), "mib": round(rows[0][1])}
        print(json.dumps({"naive keras script": keras, **figures}))


if __name__ == "__main__":
    main()
