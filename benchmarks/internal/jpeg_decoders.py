"""Compares JPEG decoders with the one that alledge uses: time, and differences of the pixels.

``python -m alledge.benchmarks.internal.jpeg_decoders IMAGE...``. The other decoders are measured
if they are installed: ``pip install simplejpeg opencv-python-headless``.
"""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import click
import numpy as np
from PIL import Image

from ...runtime.data.inputs import find_images
from ...runtime.image_settings import ImageSettings
from ...runtime.imaging import load_rgb
from ...runtime.types import RGB

ROUNDS = 5
SETTINGS = ImageSettings()

Decoder = Callable[[str], RGB]


def _resize(pixels: RGB) -> RGB:
    size = (SETTINGS.size, SETTINGS.size)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def _load_simplejpeg() -> Decoder:
    decode = importlib.import_module("simplejpeg").decode_jpeg
    minimum = {"min_width": SETTINGS.draft, "min_height": SETTINGS.draft}
    return lambda path: _resize(decode(Path(path).read_bytes(), "RGB", **minimum))


def _load_opencv() -> Decoder:
    cv2 = importlib.import_module("cv2")
    cv2.setNumThreads(1)
    flag = cv2.IMREAD_REDUCED_COLOR_4  # a field of 2592 x 1944 is reduced 4 times for 448 pixels
    return lambda path: _resize(cv2.imread(path, flag)[..., ::-1].copy())


def _load_alledge() -> Decoder:
    return lambda path: load_rgb(path, SETTINGS)


DECODERS: dict[str, Callable[[], Decoder]] = {
    "image path": _load_alledge,
    "simplejpeg": _load_simplejpeg,
    "opencv": _load_opencv,
}


@click.command()
@click.argument("images", nargs=-1, required=True)
def main(images: tuple[str, ...]) -> None:
    """Print one JSON line for each decoder."""
    paths = list(find_images(images))
    reference = [load_rgb(path, SETTINGS).astype(int) for path in paths]
    for name, load_decoder in DECODERS.items():
        try:
            decode = load_decoder()
        except ModuleNotFoundError:
            click.echo(json.dumps({"decoder": name, "ms": None}))
            continue
        apart = [
            np.abs(decode(path) - pixels) for path, pixels in zip(paths, reference, strict=True)
        ]
        rounds = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            for path in paths:
                decode(path)
            rounds.append((time.perf_counter() - started) * 1000 / len(paths))
        row = {
            "decoder": name,
            "ms": round(median(rounds), 2),
            "images": len(paths),
            "pixels_apart": {
                "max": int(max(difference.max() for difference in apart)),
                "mean": float(np.mean(apart)),
            },
        }
        click.echo(json.dumps(row))


if __name__ == "__main__":
    main()
