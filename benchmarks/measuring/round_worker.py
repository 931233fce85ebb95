"""One round of one configuration, in a process of its own: ``python -m …round_worker JOB.json``.

It reads what to measure, and writes beside it what it found; a crash leaves nothing, and the caller
reads the exit code.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import AlledgeError, BackendError
from ...runtime.backends import BACKENDS
from ...runtime.backends import __name__ as backends_room
from ...runtime.bundle.bundle import Bundle
from ...runtime.classifier import Classifier
from ...runtime.files import write_json
from ...runtime.imaging import load_rgb
from ...runtime.metrics.bundle_evaluation import evaluate_bundle
from ...runtime.process_memory import current_mib, peak_mib

Json = dict[str, Any]

WARMUP_RUNS, WARMUP_SHARE = 3, 0.15  # at least so many, and for this share of the timed seconds
# Of a round, however slow or quick the model is: three rounds have the hundred that p99 needs.
MIN_SAMPLES, MAX_SAMPLES = 34, 1000
MIN_ANSWERS = 7  # for a rate, which is one figure a round
HALF = 0.5  # share of the seconds that end to end and throughput have


def measure_round(job: Json) -> Json:
    """Return one round of a configuration.

    Parameters
    ----------
    job : dict
        ``bundle``, ``backend``, ``threads``, ``image``, ``seconds``.
    """
    bundle, image, seconds = Bundle.open(job["bundle"]), job["image"], float(job["seconds"])
    backend, threads = job["backend"], int(job["threads"])
    batch = load_rgb(image, bundle.image_settings)[np.newaxis]
    with contextlib.suppress(ImportError):  # loading is timed without importing the engine
        importlib.import_module(f".{BACKENDS[backend].target.split(':')[0]}", backends_room)
    started = time.perf_counter()
    classifier = Classifier.load(bundle, backend, threads)
    load_ms = (time.perf_counter() - started) * 1000
    with classifier:
        model = _timed(lambda: classifier.backend.predict(batch), seconds)
        whole = _timed(lambda: _answer(classifier, image), HALF * seconds)
        found = {
            "engine": classifier.backend.engine,
            "load_ms": load_ms,
            **model,
            "end_to_end": whole,
            "steady_mib": current_mib(),
            "peak_mib": peak_mib(),
        }
        if threads == 1:
            found["throughput"] = {
                "images_per_s": 1000 / float(np.mean(whole["samples_ms"])),
                "inferences_per_s": 1000 / float(np.mean(model["samples_ms"])),
                "workers": 1,
            }
    if threads > 1:
        found["throughput"] = _throughput(bundle, backend, threads, image, batch, seconds)
    return found


def measure_model(job: Json) -> Json:
    """Return the times of the model alone, as `measure_round` does: to compare with other tools.

    ``wall_ms`` is the wall time of the whole loop over its count, as ``benchmark_app`` counts.
    """
    bundle = Bundle.open(job["bundle"])
    batch = load_rgb(job["image"], bundle.image_settings)[np.newaxis]
    with Classifier.load(bundle, job["backend"], int(job["threads"])) as classifier:
        return _timed(lambda: classifier.backend.predict(batch), float(job["seconds"]))


def measure_accuracy(job: Json) -> Json:
    """Return the document of `evaluate_bundle` on the data that the job names."""
    return evaluate_bundle(
        job["bundle"],
        job["data"],
        layout=job["layout"],
        include_seen=job["include_seen"],
        backend=job["backend"],
        threads=job["threads"],
    )


def _timed(work: Callable[[], object], seconds: float) -> Json:
    started = time.perf_counter()
    work()
    first_ms = (time.perf_counter() - started) * 1000
    ends, runs = time.perf_counter() + WARMUP_SHARE * seconds, 0
    while runs < WARMUP_RUNS or time.perf_counter() < ends:
        work()
        runs += 1
    samples: list[float] = []
    begun, cpu = time.perf_counter(), time.process_time()
    ends = begun + seconds
    while len(samples) < MIN_SAMPLES or (time.perf_counter() < ends and len(samples) < MAX_SAMPLES):
        started = time.perf_counter_ns()
        work()
        samples.append((time.perf_counter_ns() - started) / 1e6)
    wall_ms = (time.perf_counter() - begun) * 1000 / len(samples)
    cpu_ms = (time.process_time() - cpu) * 1000 / len(samples)
    return {
        "first_ms": first_ms,
        "samples_ms": [round(sample, 4) for sample in samples],
        "wall_ms": wall_ms,
        "cpu_ms": cpu_ms,
    }


def _answer(classifier: Classifier, image: str) -> None:
    result = classifier.classify(image)
    if result.status == "error":
        raise BackendError(f"the image could not be classified: {result.error}")


def _throughput(
    bundle: Bundle,
    backend: str,
    workers: int,
    image: str,
    batch: NDArray[np.uint8],
    seconds: float,
) -> Json:
    with Classifier.load(bundle, backend, workers, "throughput") as classifier:
        answers = classifier.classify(repeat(image))
        images = _rate(answers, workers, HALF * seconds)
        answers.close()  # type: ignore[attr-defined]  # a generator: its pool ends here
        with ThreadPoolExecutor(workers) as pool:

            def stream() -> Iterator[object]:
                waiting = [pool.submit(classifier.backend.predict, batch) for _ in range(workers)]
                while True:
                    yield waiting.pop(0).result()
                    waiting.append(pool.submit(classifier.backend.predict, batch))

            inferences = _rate(stream(), workers, HALF * seconds)
    return {"images_per_s": images, "inferences_per_s": inferences, "workers": workers}


def _rate(items: Iterator[object], workers: int, seconds: float) -> float:
    for _ in range(2 * workers):
        next(items)
    count, started = 0, time.perf_counter()
    while count < MIN_ANSWERS or time.perf_counter() - started < seconds:
        next(items)
        count += 1
    return count / (time.perf_counter() - started)


WORK = {"round": measure_round, "model": measure_model, "accuracy": measure_accuracy}


def main() -> None:
    """Do the job named on the command line."""
    path = Path(sys.argv[1])
    job = json.loads(path.read_text(encoding="utf-8"))
    try:
        answer: Json = {"found": WORK[job["work"]](job), "error": None}
    except AlledgeError as error:
        answer = {"found": None, "error": error.one_line}
    write_json(Path(job["answer"]), answer)


if __name__ == "__main__":
    main()
