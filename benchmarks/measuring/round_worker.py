"""The worker process of a measurement: ``python -m …round_worker JOB.json``.

It reads the job from the file, and writes the result to the file that the job names. If the
process crashes there is no result, and the caller reads the exit code.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import AlledgeError, AllImagesSeenError, BackendError
from ...runtime.backends import BACKENDS
from ...runtime.backends import __name__ as backends_package
from ...runtime.bundle.bundle import Bundle
from ...runtime.classifier import Classifier
from ...runtime.data.layout_types import ReadOptions
from ...runtime.files import write_json
from ...runtime.json_documents import read_json
from ...runtime.metrics.bundle_evaluation import evaluate_bundle
from ...runtime.process_memory import current_mib, peak_mib
from ..types import AccuracyJob, AccuracyOutcome, ModelJob, RoundFigures, Samples, Throughput
from .cell_stages import measure_stages, sample_pixels

# The warm-up takes at least this many runs, and this share of the timed duration.
WARMUP_RUNS, WARMUP_SHARE = 3, 0.15
# Samples of a round, independent of the model's speed. Three rounds give the 100 that p99 needs.
MIN_SAMPLES, MAX_SAMPLES = 34, 1000
MIN_ANSWERS = 7  # a throughput is one figure for each round
HALF = 0.5  # end to end and throughput get this share of the timed duration


def measure_round(job: ModelJob) -> RoundFigures:
    """Measure one round of a configuration."""
    bundle, image, seconds = Bundle.open(job["bundle"]), job["image"], job["seconds"]
    backend, threads = job["backend"], job["threads"]
    batch = sample_pixels(bundle, image)
    _import_engine(backend)
    started = time.perf_counter()
    classifier = Classifier.load(bundle, backend, threads)
    load_ms = (time.perf_counter() - started) * 1000
    with classifier:
        model = _repeat_timed(lambda: classifier.backend.predict(batch), seconds)
        end_to_end = _repeat_timed(lambda: _classify(classifier, image), HALF * seconds)
        stages = measure_stages(classifier, image, HALF * seconds)
        engine, steady, peak = classifier.backend.engine, current_mib(), peak_mib()
    throughput: Throughput
    if threads > 1:
        throughput = _measure_throughput(bundle, backend, threads, image, batch, seconds)
    else:
        throughput = {
            "images_per_s": 1000 / float(np.mean(end_to_end["samples_ms"])),
            "inferences_per_s": 1000 / float(np.mean(model["samples_ms"])),
            "workers": 1,
        }
    figures: RoundFigures = {
        **model,  # type: ignore[typeddict-item]
        "engine": engine,
        "load_ms": load_ms,
        "end_to_end": end_to_end,
        "steady_mib": steady,
        "peak_mib": peak,
        "throughput": throughput,
    }
    if stages is not None:
        figures["stages"] = stages
    return figures


def measure_model(job: ModelJob) -> Samples:
    """Measure the model alone, in the same way as `measure_round`.

    It is used to compare with the engines' own tools.
    """
    bundle = Bundle.open(job["bundle"])
    batch = sample_pixels(bundle, job["image"])
    with Classifier.load(bundle, job["backend"], job["threads"]) as classifier:
        return _repeat_timed(lambda: classifier.backend.predict(batch), job["seconds"])


def measure_accuracy(job: AccuracyJob) -> AccuracyOutcome:
    """Evaluate an artifact on the data set of the job.

    If the model was trained on all images, there is no accuracy, but nothing failed.
    """
    try:
        document = evaluate_bundle(
            job["bundle"],
            job["data"],
            ReadOptions.from_record(job),
            include_seen=job["include_seen"],
            backend=job["backend"],
            threads=job["threads"],
        )
    except AllImagesSeenError as error:
        return {"document": None, "why": error.one_line}
    return {"document": document, "why": None}


def _import_engine(backend: str) -> None:
    """Import the engine, so that the load time does not include the import."""
    module = BACKENDS[backend].target.split(":")[0]
    with contextlib.suppress(ImportError):  # `Classifier.load` reports a missing engine
        importlib.import_module(f".{module}", backends_package)


def _repeat_timed(operation: Callable[[], object], seconds: float) -> Samples:
    """Run an operation once, then warm up, then time it repeatedly for about `seconds`."""
    started = time.perf_counter()
    operation()
    first_ms = (time.perf_counter() - started) * 1000
    ends, runs = time.perf_counter() + WARMUP_SHARE * seconds, 0
    while runs < WARMUP_RUNS or time.perf_counter() < ends:
        operation()
        runs += 1
    samples: list[float] = []
    begun, cpu = time.perf_counter(), time.process_time()
    ends = begun + seconds
    while len(samples) < MIN_SAMPLES or (time.perf_counter() < ends and len(samples) < MAX_SAMPLES):
        started_ns = time.perf_counter_ns()
        operation()
        samples.append((time.perf_counter_ns() - started_ns) / 1e6)
    return {
        "first_ms": first_ms,
        "samples_ms": [round(sample, 4) for sample in samples],
        "wall_ms": (time.perf_counter() - begun) * 1000 / len(samples),
        "cpu_ms": (time.process_time() - cpu) * 1000 / len(samples),
    }


def _classify(classifier: Classifier, image: str) -> None:
    result = classifier.classify(image)
    if result.status == "error":
        raise BackendError(f"the image could not be classified: {result.error}")


def _measure_throughput(
    bundle: Bundle, backend: str, workers: int, image: str, batch: NDArray[np.uint8], seconds: float
) -> Throughput:
    with Classifier.load(bundle, backend, workers, "throughput") as classifier:
        results = classifier.classify(repeat(image))
        images = _rate(results, workers, HALF * seconds)
        results.close()  # type: ignore[attr-defined]  # a generator; closing it ends its threads
        with ThreadPoolExecutor(workers) as pool:

            def predictions() -> Iterator[object]:
                pending = [pool.submit(classifier.backend.predict, batch) for _ in range(workers)]
                while True:
                    yield pending.pop(0).result()
                    pending.append(pool.submit(classifier.backend.predict, batch))

            inferences = _rate(predictions(), workers, HALF * seconds)
    return {"images_per_s": images, "inferences_per_s": inferences, "workers": workers}


def _rate(items: Iterator[object], workers: int, seconds: float) -> float:
    """Return how many items the iterator yields in a second, after a warm-up."""
    for _ in range(2 * workers):
        next(items)
    count, started = 0, time.perf_counter()
    while count < MIN_ANSWERS or time.perf_counter() - started < seconds:
        next(items)
        count += 1
    return count / (time.perf_counter() - started)


JOBS: dict[str, Callable[[Any], Any]] = {
    "round": measure_round,
    "model": measure_model,
    "accuracy": measure_accuracy,
}


def main() -> None:
    """Run the job that the command line names."""
    request = read_json(sys.argv[1], error=AlledgeError, file_names=True)
    try:
        answer = {"result": JOBS[request["work"]](request["job"]), "error": None}
    except AlledgeError as error:
        answer = {"result": None, "error": error.one_line}
    write_json(Path(request["answer"]), answer)


if __name__ == "__main__":
    main()
