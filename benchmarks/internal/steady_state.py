"""Throughput of `Classifier` on a folder, compared with decoding alone and inference alone.

``python -m alledge.benchmarks.internal.steady_state --bundle B IMAGE...``. With the rates D of
decoding and I of the bare engine, on the same cores and in the same run, the upper bound of the
throughput is 1 / (1/D + 1/I).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import click

from ...runtime.backends import installed_backends, open_backend
from ...runtime.bundle.bundle import Bundle
from ...runtime.classifier import Classifier
from ...runtime.data.inputs import find_images
from ...runtime.imaging import load_rgb
from ...runtime.machine import usable_cores

ROUNDS = 5
MIN_SHARE = 0.95  # of the bound


def rate(function: Callable[[Any], object], items: list[Any], workers: int) -> float:
    """Return how many items a pool of workers processes in a second."""
    with ThreadPoolExecutor(workers) as pool:
        started = time.perf_counter()
        for _ in pool.map(function, items):
            pass
        return len(items) / (time.perf_counter() - started)


def measure(bundle: Bundle, backend: str, images: list[str], workers: int) -> dict[str, Any]:
    """Return the rates of one backend. Each round measures all three, one after the other."""
    pixels = [load_rgb(path, bundle.image_settings)[None] for path in images[: 4 * workers]]
    batches = [pixels[number % len(pixels)] for number in range(4 * len(images))]
    engine = open_backend(bundle, backend, 1, workers)
    rounds: list[tuple[float, float, float, float]] = []
    with Classifier.load(bundle, backend, workers, "throughput") as classifier:
        rate(engine.predict, batches[:20], workers)  # warm-up
        check_results(classifier.classify(images[: 2 * workers]))
        for _ in range(ROUNDS):
            decoding = rate(lambda path: load_rgb(path, bundle.image_settings), images, workers)
            inference = rate(engine.predict, batches, workers)
            started = time.perf_counter()
            check_results(classifier.classify(images))
            classification = len(images) / (time.perf_counter() - started)
            bound = 1 / (1 / decoding + 1 / inference)
            rounds.append((decoding, inference, classification, classification / bound))
    engine.close()
    decoding, inference, classification, share = (
        round(median(values), 3) for values in zip(*rounds, strict=True)
    )
    return {
        "bundle": bundle.name,
        "backend": backend,
        "engine": engine.engine,
        "workers": workers,
        "images": len(images),
        "guards": bundle.record.get("guards") is not None,
        "decode_per_s": decoding,
        "inference_per_s": inference,
        "classify_per_s": classification,
        "share_of_bound": share,
        "met": share >= MIN_SHARE,
    }


def check_results(results: Iterable[Any]) -> None:
    """Consume the results; raise an error if one of them is an error."""
    for result in results:
        if result.status == "error":
            raise click.ClickException(str(result.error))


@click.command()
@click.option("--bundle", "bundles", multiple=True, required=True, type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True)
@click.option("--workers", type=int, default=usable_cores(), show_default=True)
@click.option("--backend", multiple=True, help="Measure only this backend; may be repeated.")
def main(
    bundles: tuple[Path, ...], images: tuple[str, ...], workers: int, backend: tuple[str, ...]
) -> None:
    """Print one JSON line for each bundle and backend."""
    paths = list(find_images(images))
    for bundle in map(Bundle.open, bundles):
        for name in backend or installed_backends():
            if name in bundle.formats:
                click.echo(json.dumps(measure(bundle, name, paths, workers)))


if __name__ == "__main__":
    main()
