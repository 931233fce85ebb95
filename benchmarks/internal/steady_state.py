"""Steady state: a folder through the classifier, against decode alone and inference alone.

``python -m alledge.benchmarks.internal.steady_state --bundle B IMAGE...``: the bound is 1 / (1/D +
1/I), with D and I the rates of decoding alone and of the bare engine alone on as many cores, in the
same run.
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
WANTED = 0.95  # of the bound


def rate(work: Callable[[Any], object], items: list[Any], workers: int) -> float:
    """Return items a second, `workers` at once."""
    with ThreadPoolExecutor(workers) as pool:
        started = time.perf_counter()
        for _ in pool.map(work, items):
            pass
        return len(items) / (time.perf_counter() - started)


def measure(bundle: Bundle, backend: str, images: list[str], workers: int) -> dict[str, Any]:
    """Return the rates of one backend: each round measures all three, one after the other."""
    pixels = [load_rgb(path, bundle.image_settings)[None] for path in images[: 4 * workers]]
    many = [pixels[number % len(pixels)] for number in range(4 * len(images))]
    engine = open_backend(bundle, backend, 1, workers)
    rounds: list[tuple[float, float, float, float]] = []
    with Classifier.load(bundle, backend, workers, "throughput") as classifier:
        rate(engine.predict, many[:20], workers)
        drain(classifier.classify(images[: 2 * workers]))
        for _ in range(ROUNDS):
            decoding = rate(lambda path: load_rgb(path, bundle.image_settings), images, workers)
            inference = rate(engine.predict, many, workers)
            started = time.perf_counter()
            drain(classifier.classify(images))
            whole = len(images) / (time.perf_counter() - started)
            bound = 1 / (1 / decoding + 1 / inference)
            rounds.append((decoding, inference, whole, whole / bound))
    engine.close()
    names = ("decode_per_s", "inference_per_s", "classify_per_s", "share_of_bound")
    figures = {name: round(median(row[at] for row in rounds), 3) for at, name in enumerate(names)}
    return {
        "bundle": bundle.name,
        "backend": backend,
        "engine": engine.engine,
        "workers": workers,
        "images": len(images),
        "guards": bundle.record.get("guards") is not None,
        **figures,
        "kept": figures["share_of_bound"] >= WANTED,
    }


def drain(items: Iterable[Any]) -> None:
    """Read everything."""
    for item in items:
        if item.status == "error":
            raise click.ClickException(str(item.error))


@click.command()
@click.option("--bundle", "bundles", multiple=True, required=True, type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True)
@click.option("--workers", type=int, default=usable_cores(), show_default=True)
@click.option("--backend", multiple=True, help="Only this one; may be given again.")
def main(
    bundles: tuple[Path, ...], images: tuple[str, ...], workers: int, backend: tuple[str, ...]
) -> None:
    """Print one JSON line a bundle and backend."""
    found = list(find_images(images))
    for path in bundles:
        opened = Bundle.open(path)
        for name in backend or installed_backends():
            if name in opened.formats:
                print(json.dumps(measure(opened, name, found, workers)), flush=True)


if __name__ == "__main__":
    main()
