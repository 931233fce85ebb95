"""Cold start: whole processes, ``alledge classify`` against the bare ten-line script, interleaved.

``python -m alledge.benchmarks.internal.cold_start BUNDLE IMAGE [--keras model.keras]``. Page cache
warm; wall time and peak memory of the process as the kernel counts them (no memory on Windows).
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

from ...runtime.backends import installed_backends
from ...runtime.bundle.bundle import Bundle
from ...runtime.machine import usable_cores
from .bare_scripts import KERAS, script

# An installed package has its byte code: no process here compiles what another has compiled.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
RUNS, KERAS_RUNS, KERAS_IMAGES = 15, 3, 21
ALLOWED_RATIO, ALLOWED_MORE_MS, ALLOWED_MEMORY = 1.15, 60.0, 1.10


def run(command: list[str]) -> tuple[float, float]:
    """Return wall milliseconds and peak MiB of a process; it must succeed."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT
    )
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


def compare(
    bundle: Bundle, backend: str, image: str, python: str, threads: int, runs: int = RUNS
) -> dict[str, Any]:
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
    for _ in range(runs):
        for name, command in commands.items():
            rows[name].append(run(command))
    (bare_ms, bare_mib), (ms, mib) = (
        tuple(median(row[at] for row in rows[name]) for at in (0, 1)) for name in commands
    )
    pairs = list(zip(rows["alledge"], rows["bare"], strict=True))  # one right after the other
    ratio = median(ours[0] / bare[0] for ours, bare in pairs)
    more = median(ours[0] - bare[0] for ours, bare in pairs)
    memory = median(ours[1] / bare[1] for ours, bare in pairs)
    return {
        "bundle": bundle.name,
        "backend": backend,
        "engine": engine(python, backend, artifact),
        "threads": threads,
        "bare_ms": round(bare_ms, 1),
        "alledge_ms": round(ms, 1),
        "time_ratio": round(ratio, 3),
        "more_ms": round(more, 1),
        "bare_mib": round(bare_mib, 1),
        "alledge_mib": round(mib, 1),
        "memory_ratio": round(memory, 3),
        "within": bool(
            (ratio <= ALLOWED_RATIO or more <= ALLOWED_MORE_MS) and not memory > ALLOWED_MEMORY
        ),
    }


def engine(python: str, backend: str, artifact: str) -> str:
    """Return package and version of the engine that an interpreter has for a backend."""
    code = (
        "import sys\nfrom alledge.runtime.backends import load_backend\n"
        "print(load_backend(*sys.argv[1:]).engine)"
    )
    command = [python, "-c", code, backend, artifact]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def naive(python: str, model: str, image: str) -> dict[str, Any]:
    """Return what the script that people run today takes: its first image, and each further one."""
    one = [run([python, "-c", KERAS, model, image]) for _ in range(KERAS_RUNS)]
    many = [run([python, "-c", KERAS, model, *[image] * KERAS_IMAGES]) for _ in range(KERAS_RUNS)]
    first, all_of_them = (median(row[0] for row in rows) for rows in (one, many))
    return {
        "naive keras script": model,
        "first_ms": round(first),
        "further_ms": round((all_of_them - first) / (KERAS_IMAGES - 1), 1),
        "mib": round(median(row[1] for row in one)),
    }


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.argument("image", type=click.Path())
@click.option("--python", default=sys.executable, help="Interpreter to measure.")
@click.option("--backend", multiple=True, help="Only this one; may be given again.")
@click.option("--threads", type=int, default=usable_cores(), show_default=True)
@click.option("--runs", type=click.IntRange(min=1), default=RUNS, show_default=True)
@click.option("--keras", type=click.Path(), help="Also the naive Keras script, on this model.")
def main(
    bundles: tuple[Path, ...],
    image: str,
    python: str,
    backend: tuple[str, ...],
    threads: int,
    runs: int,
    keras: str | None,
) -> None:
    """Print one JSON line a bundle and backend."""
    for path in bundles:
        bundle = Bundle.open(path)
        for name in backend or installed_backends():
            if name in bundle.formats:
                row = compare(bundle, name, image, python, threads, runs)
                print(json.dumps(row), flush=True)
    if keras:
        print(json.dumps(naive(python, keras, image)))


if __name__ == "__main__":
    main()
