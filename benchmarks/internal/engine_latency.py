"""Our model-only latency beside the engine's own: paired, round by round, in the same session.

``python -m alledge.benchmarks.internal.engine_latency BUNDLE...``. OpenVINO's own tool is
``benchmark_app``: its wall time over its inferences beside ours. ai-edge-litert and ONNX Runtime
are timed in a bare loop of ten lines: its median beside ours.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np

from ...errors import BackendError, MissingPackageError
from ...runtime.backends import installed_backends
from ...runtime.bundle.bundle import Bundle
from ...runtime.imaging import load_rgb
from ..measuring.processes import run_worker
from ..measuring.sample_image import draw_field
from ..statistics import ratio_interval

Json = dict[str, Any]
Times = dict[str, float]

ROUNDS = 10
TIMEOUT_S = 300.0
MS_IN = {"us": 0.001, "ms": 1.0, "s": 1000.0}
SETUP = """
import sys, time
import numpy as np
model, seconds, threads = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
pixels = np.load(sys.argv[4])
"""
LOOP = """
for _ in range(10):
    once()
samples, ends = [], time.perf_counter() + seconds
while len(samples) < 7 or time.perf_counter() < ends:
    started = time.perf_counter()
    once()
    samples.append((time.perf_counter() - started) * 1000)
print(sorted(samples)[len(samples) // 2])
"""
ENGINES = {
    "tflite": """
try:
    from ai_edge_litert.interpreter import Interpreter
except ModuleNotFoundError:
    from tflite_runtime.interpreter import Interpreter
engine = Interpreter(model_path=model, num_threads=threads)
engine.allocate_tensors()
into, out = engine.get_input_details()[0]["index"], engine.get_output_details()[0]["index"]
def once():
    engine.set_tensor(into, pixels)
    engine.invoke()
    return engine.get_tensor(out)
""",
    "onnx": """
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
engine = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
name = engine.get_inputs()[0].name
def once():
    return engine.run(None, {name: pixels})[0]
""",
}


def theirs(bundle: Bundle, backend: str, threads: int, seconds: float, pixels: Path) -> Times:
    """Return what the engine's own tool gives, or a bare loop's median."""
    model = bundle.path / bundle.formats[backend].file
    if backend != "openvino":
        script = SETUP + ENGINES[backend] + LOOP
        command = [sys.executable, "-c", script, str(model), str(seconds), str(threads)]
        return {"ms": float(_run([*command, str(pixels)]))}
    tool = shutil.which("benchmark_app", path=str(Path(sys.executable).parent))
    if tool is None:
        raise MissingPackageError("openvino", "openvino", "benchmark_app")
    command = [tool, "-m", str(model), "-d", "CPU", "-api", "sync", "-hint", "none"]
    command += ["-nstreams", "1", "-nthreads", str(threads), "-infer_precision", "f32"]
    return read_benchmark_app(_run([*command, "-t", str(max(1, round(seconds)))]))


def read_benchmark_app(said: str) -> Times:
    """Return ``ms``, wall time over inferences, and ``counter_ms``, its latency counter's median.

    Parameters
    ----------
    said : str
        What ``benchmark_app`` printed.

    Raises
    ------
    BackendError
        If it printed no duration, count or median.
    """
    patterns = (
        r"Duration:\s*([\d.]+) (us|ms|s)\b",
        r"Count:\s*(\d+)()",
        r"Median:\s*([\d.]+) (us|ms|s)\b",
    )
    found = [re.search(pattern, said) for pattern in patterns]
    duration, count, counter = (
        float(match[1]) * MS_IN.get(match[2], 1.0) if match else 0.0 for match in found
    )
    if not (duration and count and counter):
        raise BackendError(f"benchmark_app gave no duration, count or median: {said[-300:]}")
    return {"ms": duration / count, "counter_ms": counter}


def ours(bundle: Bundle, backend: str, threads: int, seconds: float, image: Path) -> Times:
    """Return what `alledge benchmark` measures of the model alone, as the other side is counted."""
    job = {"work": "model", "bundle": str(bundle.path), "backend": backend, "threads": threads}
    with tempfile.TemporaryDirectory(prefix="alledge-engines-") as cache:
        job |= {"image": str(image), "seconds": seconds}
        found = run_worker(job, TIMEOUT_S, Path(cache))
    return {"ms": found["wall_ms"] if backend == "openvino" else median(found["samples_ms"])}


def alternate(
    ours: Callable[[], Times], theirs: Callable[[], Times], rounds: int
) -> tuple[list[Times], list[Times]]:
    """Measure two things round by round; who comes first takes turns."""
    found: tuple[list[Times], list[Times]] = ([], [])
    for number in range(rounds):
        for which in (0, 1) if number % 2 == 0 else (1, 0):
            found[which].append((ours, theirs)[which]())
    return found


def row_of(bundle: str, backend: str, threads: int, found: tuple[list[Times], list[Times]]) -> Json:
    """Return the line that is printed of one bundle and backend."""
    mine, its = ([one["ms"] for one in side] for side in found)
    counters = [one["counter_ms"] for one in found[1] if "counter_ms" in one]
    return {
        "bundle": bundle,
        "backend": backend,
        "threads": threads,
        "ours_ms": round(median(mine), 3),
        "theirs_ms": round(median(its), 3),
        **({"its_counter_ms": round(median(counters), 3)} if counters else {}),
        **{key: round(value, 4) for key, value in ratio_interval(mine, its).items()},
    }


def _run(command: list[str]) -> str:
    done = subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", timeout=TIMEOUT_S
    )
    if done.returncode:
        raise BackendError(
            f"{command[0]}: exit code {done.returncode}: {(done.stderr or done.stdout)[-300:]}"
        )
    return done.stdout


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--rounds", type=click.IntRange(2), default=ROUNDS, show_default=True)
@click.option("--seconds", type=float, default=1.0, show_default=True, help="Of each, a round.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--backend", multiple=True, help="Only this one; may be given again.")
def main(
    bundles: tuple[Path, ...], rounds: int, seconds: float, threads: int, backend: tuple[str, ...]
) -> None:
    """Print one JSON line a bundle and backend: the paired ratio, ours over theirs."""
    with tempfile.TemporaryDirectory(prefix="alledge-engines-") as folder:
        image = Path(folder) / "field.jpg"
        draw_field(image)
        for bundle in map(Bundle.open, bundles):
            pixels = Path(folder) / "pixels.npy"
            np.save(pixels, load_rgb(image, bundle.image_settings)[np.newaxis])
            for name in backend or installed_backends():
                if name not in bundle.formats:
                    continue
                found = alternate(
                    partial(ours, bundle, name, threads, seconds, image),
                    partial(theirs, bundle, name, threads, seconds, pixels),
                    rounds,
                )
                print(json.dumps(row_of(bundle.name, name, threads, found)), flush=True)


if __name__ == "__main__":
    main()
