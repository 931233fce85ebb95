"""Latency of the model alone in alledge, compared with the engine's own tool, round by round.

``python -m alledge.benchmarks.internal.engine_latency BUNDLE...``. OpenVINO's tool is
``benchmark_app``; its wall time divided by its inferences is compared with ours. LiteRT and ONNX
Runtime are timed in a bare loop; its median is compared with ours.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypedDict

import click
import numpy as np

from ...errors import BackendError, MissingPackageError
from ...runtime.backends import installed_backends
from ...runtime.bundle.bundle import Bundle
from ...runtime.imaging import load_rgb
from ..measuring.processes import run_worker
from ..measuring.sample_image import write_sample_image
from ..statistics import ratio_interval
from ..types import ModelJob, Samples
from .bare_scripts import timing_script
from .paired_measurement import alternate

ROUNDS = 10
TIMEOUT_S = 300.0
MS_PER_UNIT = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class Latency(TypedDict):
    """Latency of one round in milliseconds."""

    ms: float
    counter_ms: float | None  # the median that benchmark_app's own counter gives


def measure_engine(
    bundle: Bundle, backend: str, threads: int, seconds: float, pixels: Path
) -> Latency:
    """Return the latency that the engine's own tool or a bare loop measures.

    Parameters
    ----------
    bundle : Bundle
    backend : str
    threads : int
    seconds : float
    pixels : Path
        A ``.npy`` file with a batch.

    Raises
    ------
    MissingPackageError
        If ``benchmark_app`` is not installed.
    BackendError
        If the process fails.
    """
    model = str(bundle.path / bundle.formats[backend].file)
    if backend != "openvino":
        script = timing_script(backend, threads)
        command = [sys.executable, "-c", script, model, str(pixels), str(seconds)]
        return {"ms": float(_run(command)), "counter_ms": None}
    tool = shutil.which("benchmark_app", path=str(Path(sys.executable).parent))
    if tool is None:
        raise MissingPackageError("openvino", "openvino", "benchmark_app")
    command = [tool, "-m", model, "-d", "CPU", "-api", "sync", "-hint", "none"]
    command += ["-nstreams", "1", "-nthreads", str(threads), "-infer_precision", "f32"]
    return parse_benchmark_app(_run([*command, "-t", str(max(1, round(seconds)))]))


def parse_benchmark_app(output: str) -> Latency:
    """Return the latencies in the output of ``benchmark_app``.

    Parameters
    ----------
    output : str

    Returns
    -------
    Latency
        ``ms`` is the wall time divided by the number of inferences.

    Raises
    ------
    BackendError
        If the output has no duration, count or median.
    """
    count = re.search(r"Count:\s*(\d+)", output)
    duration = re.search(r"Duration:\s*([\d.]+) (us|ms|s)\b", output)
    counter = re.search(r"Median:\s*([\d.]+) (us|ms|s)\b", output)
    if not (count and duration and counter):
        raise BackendError(f"benchmark_app gave no duration, count or median: {output[-300:]}")
    return {
        "ms": float(duration[1]) * MS_PER_UNIT[duration[2]] / int(count[1]),
        "counter_ms": float(counter[1]) * MS_PER_UNIT[counter[2]],
    }


def measure_alledge(
    bundle: Bundle, backend: str, threads: int, seconds: float, image: Path
) -> Latency:
    """Return the latency that `alledge benchmark` measures, by the statistic of the other side."""
    job: ModelJob = {
        "bundle": str(bundle.path),
        "backend": backend,
        "threads": threads,
        "image": str(image),
        "seconds": seconds,
    }
    with tempfile.TemporaryDirectory(prefix="alledge-engines-") as cache:
        samples: Samples = run_worker("model", job, TIMEOUT_S, Path(cache))
    ms = samples["wall_ms"] if backend == "openvino" else median(samples["samples_ms"])
    return {"ms": ms, "counter_ms": None}


def comparison_row(
    bundle: str, backend: str, threads: int, ours: list[Latency], theirs: list[Latency]
) -> dict[str, Any]:
    """Return the line that is printed for one bundle and backend."""
    our_ms, their_ms = ([latency["ms"] for latency in side] for side in (ours, theirs))
    counters = [latency["counter_ms"] for latency in theirs if latency["counter_ms"] is not None]
    ratio = ratio_interval(our_ms, their_ms)
    return {
        "bundle": bundle,
        "backend": backend,
        "threads": threads,
        "ours_ms": round(median(our_ms), 3),
        "theirs_ms": round(median(their_ms), 3),
        **({"its_counter_ms": round(median(counters), 3)} if counters else {}),
        "ratio": round(ratio["ratio"], 4),
        "low": round(ratio["low"], 4),
        "high": round(ratio["high"], 4),
        "rounds": ratio["rounds"],
    }


def _run(command: list[str]) -> str:
    process = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", timeout=TIMEOUT_S
    )
    if process.returncode:
        output = (process.stderr or process.stdout)[-300:]
        raise BackendError(f"{command[0]}: exit code {process.returncode}: {output}")
    return process.stdout


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--rounds", type=click.IntRange(2), default=ROUNDS, show_default=True)
@click.option(
    "--seconds", type=float, default=1.0, show_default=True, help="Of each side in a round."
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--backend", multiple=True, help="Measure only this backend; may be repeated.")
def main(
    bundles: tuple[Path, ...], rounds: int, seconds: float, threads: int, backend: tuple[str, ...]
) -> None:
    """Print one JSON line for each bundle and backend: the paired ratio, ours over theirs."""
    with tempfile.TemporaryDirectory(prefix="alledge-engines-") as folder:
        image, pixels = Path(folder) / "field.jpg", Path(folder) / "pixels.npy"
        write_sample_image(image)
        for bundle in map(Bundle.open, bundles):
            np.save(pixels, load_rgb(image, bundle.image_settings)[np.newaxis])
            for name in backend or installed_backends():
                if name not in bundle.formats:
                    continue
                ours, theirs = alternate(
                    partial(measure_alledge, bundle, name, threads, seconds, image),
                    partial(measure_engine, bundle, name, threads, seconds, pixels),
                    rounds,
                )
                row = comparison_row(bundle.name, name, threads, ours, theirs)
                click.echo(json.dumps(row))


if __name__ == "__main__":
    main()
