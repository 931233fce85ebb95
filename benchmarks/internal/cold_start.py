"""Cold start of ``alledge classify`` compared with the bare script, as whole processes.

``python -m alledge.benchmarks.internal.cold_start BUNDLE IMAGE [--keras model.keras]``. The files
are in the page cache. The two commands take turns. Beside a cell bundle, the bare script finds the
cells with alledge's detection, and runs the engine on each. ``time_ratio`` is the median of the
pairs, ``time_ratio_mean`` their geometric mean with its 95 % interval.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import click

from ...runtime.backends import installed_backends
from ...runtime.bundle.bundle import Bundle
from ...runtime.bundle.validation import CELL
from ...runtime.machine import usable_cores
from ..statistics import ratio_interval
from .bare_scripts import KERAS, cells_script, classify_script
from .paired_measurement import alternate, run_timed

RUNS, KERAS_RUNS, KERAS_IMAGES = 15, 3, 21
MAX_TIME_RATIO, MAX_MORE_MS, MAX_MEMORY_RATIO = 1.15, 60.0, 1.10


def classify_command(
    python: str, bundle: Path, backend: str, threads: int, *images: str
) -> list[str]:
    """Return the command that classifies images with alledge."""
    command = [python, "-m", "alledge", "classify", *images, "--json", "--bundle", str(bundle)]
    return [*command, "--backend", backend, "--threads", str(threads)]


def compare(
    bundle: Bundle, backend: str, image: str, python: str, threads: int, runs: int = RUNS
) -> dict[str, Any]:
    """Return the medians of alledge and of the bare script, and the medians of paired ratios."""
    artifact = str(bundle.path / bundle.formats[backend].file)
    script = cells_script if bundle.task == CELL else classify_script
    bare = [python, "-c", script(backend, threads), artifact, image]
    ours = classify_command(python, bundle.path, backend, threads, image)
    for command in (bare, ours):  # fills the page cache, the byte code and the model cache
        run_timed(command)
    bare_runs, our_runs = alternate(partial(run_timed, bare), partial(run_timed, ours), runs)
    pairs = list(zip(bare_runs, our_runs, strict=True))
    time_ratio = median(ours_ms / bare_ms for (bare_ms, _), (ours_ms, _) in pairs)
    interval = ratio_interval([ms for ms, _ in our_runs], [ms for ms, _ in bare_runs])
    more_ms = median(ours_ms - bare_ms for (bare_ms, _), (ours_ms, _) in pairs)
    memory_ratio = median(ours_mib / bare_mib for (_, bare_mib), (_, ours_mib) in pairs)
    return {
        "bundle": bundle.name,
        "backend": backend,
        "engine": engine_version(python, backend, artifact),
        "threads": threads,
        "bare_ms": round(median(wall_ms for wall_ms, _ in bare_runs), 1),
        "alledge_ms": round(median(wall_ms for wall_ms, _ in our_runs), 1),
        "time_ratio": round(time_ratio, 3),
        "time_ratio_mean": [round(interval[key], 3) for key in ("ratio", "low", "high")],
        "more_ms": round(more_ms, 1),
        "bare_mib": round(median(peak_mib for _, peak_mib in bare_runs), 1),
        "alledge_mib": round(median(peak_mib for _, peak_mib in our_runs), 1),
        "memory_ratio": round(memory_ratio, 3),
        # `not >`: the memory ratio is NaN on Windows and sets no limit there
        "within": (time_ratio <= MAX_TIME_RATIO or more_ms <= MAX_MORE_MS)
        and not memory_ratio > MAX_MEMORY_RATIO,
    }


def engine_version(python: str, backend: str, artifact: str) -> str:
    """Return package and version of the engine that an interpreter has for a backend."""
    code = (
        "import sys\nfrom alledge.runtime.backends import load_backend\n"
        "print(load_backend(*sys.argv[1:]).engine)"
    )
    command = [python, "-c", code, backend, artifact]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def measure_keras(python: str, model: str, image: str) -> dict[str, Any]:
    """Return the time of a plain Keras script for its first image and for each further image."""
    one = [run_timed([python, "-c", KERAS, model, image]) for _ in range(KERAS_RUNS)]
    many = [
        run_timed([python, "-c", KERAS, model, *[image] * KERAS_IMAGES]) for _ in range(KERAS_RUNS)
    ]
    one_ms, many_ms = (median(wall_ms for wall_ms, _ in runs) for runs in (one, many))
    return {
        "naive keras script": model,
        "first_ms": round(one_ms),
        "further_ms": round((many_ms - one_ms) / (KERAS_IMAGES - 1), 1),
        "mib": round(median(peak_mib for _, peak_mib in one)),
    }


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.argument("image", type=click.Path())
@click.option("--python", default=sys.executable, help="Interpreter to measure.")
@click.option("--backend", multiple=True, help="Measure only this backend; may be repeated.")
@click.option("--threads", type=int, default=usable_cores(), show_default=True)
@click.option("--runs", type=click.IntRange(min=1), default=RUNS, show_default=True)
@click.option("--keras", type=click.Path(), help="Measure a plain Keras script on this model too.")
def main(
    bundles: tuple[Path, ...],
    image: str,
    python: str,
    backend: tuple[str, ...],
    threads: int,
    runs: int,
    keras: str | None,
) -> None:
    """Print one JSON line for each bundle and backend."""
    for path in bundles:
        bundle = Bundle.open(path)
        for name in backend or installed_backends():
            if name in bundle.formats:
                row = compare(bundle, name, image, python, threads, runs)
                click.echo(json.dumps(row))
    if keras:
        click.echo(json.dumps(measure_keras(python, keras, image)))


if __name__ == "__main__":
    main()
