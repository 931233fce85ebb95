"""What features cost: a prediction with features over one of scores alone, for each engine.

``python -m alledge.benchmarks.internal.feature_cost BUNDLE [--rounds N] [--backend NAME]``. The two
take turns in one process, on the reference images of the bundle. The goal is a ratio of at most
1.03.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import click
import numpy as np
from numpy.typing import NDArray

from ...runtime.backends import installed_backends, open_backend
from ...runtime.bundle.bundle import Bundle
from ...runtime.bundle.references import read_references
from ...runtime.option_types import Count
from ..statistics import ratio_interval
from .paired_measurement import alternate

WARM_UP = 3


def milliseconds(
    predict: Callable[[NDArray[np.uint8]], object], images: NDArray[np.uint8]
) -> float:
    """Return the time of one prediction: the mean over all images."""
    started = time.perf_counter()
    for image in images:
        predict(image[np.newaxis])
    return (time.perf_counter() - started) * 1000 / len(images)


def feature_cost(bundle: Bundle, name: str, rounds: int) -> dict[str, object]:
    """Return the paired ratio of both predictions on one thread, with its 95 % interval."""
    images = read_references(bundle).inputs
    plain, full = (open_backend(bundle, name, 1, features=wanted) for wanted in (False, True))
    try:
        both = (
            partial(milliseconds, full.predict_with_features, images),
            partial(milliseconds, plain.predict, images),
        )
        alternate(*both, WARM_UP)
        features, scores = alternate(*both, rounds)
    finally:
        plain.close()
        full.close()
    ratio = ratio_interval(features, scores)
    return {
        "bundle": bundle.name,
        "backend": name,
        "features_ms": round(median(features), 3),
        "scores_ms": round(median(scores), 3),
        **{key: round(ratio[key], 4) for key in ("ratio", "low", "high")},
        "rounds": rounds,
    }


@click.command()
@click.argument("bundle", default="builtin")
@click.option("--rounds", type=Count(2), default=30, show_default=True)
@click.option("--backend", multiple=True, help="Measure only this backend; may be repeated.")
def main(bundle: str, rounds: int, backend: tuple[str, ...]) -> None:
    """Print one JSON line for each backend."""
    opened = Bundle.open(bundle)
    for name in backend or [name for name in installed_backends() if name in opened.formats]:
        click.echo(json.dumps(feature_cost(opened, name, rounds)))


if __name__ == "__main__":
    main()
