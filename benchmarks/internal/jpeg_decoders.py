"""JPEG decoders against the image path's own: time, and the pixels that come out otherwise.

``python -m alledge.benchmarks.internal.jpeg_decoders IMAGE...``; needs ``pip install simplejpeg
opencv-python-headless`` beside alledge, and measures those of them that are there.
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


def _square(pixels: RGB) -> RGB:
    size = (SETTINGS.size, SETTINGS.size)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def _simplejpeg() -> Decoder:
    decode = importlib.import_module("simplejpeg").decode_jpeg
    least = {"min_width": SETTINGS.draft, "min_height": SETTINGS.draft}
    return lambda path: _square(decode(Path(path).read_bytes(), "RGB", **least))


def _opencv() -> Decoder:
    cv2 = importlib.import_module("cv2")
    cv2.setNumThreads(1)
    flag = cv2.IMREAD_REDUCED_COLOR_4  # what 448 comes to on a field of 2592 x 1944
    return lambda path: _square(cv2.imread(path, flag)[..., ::-1].copy())


DECODERS: dict[str, Callable[[], Decoder]] = {
    "image path": lambda: lambda path: load_rgb(path, SETTINGS),
    "simplejpeg": _simplejpeg,
    "opencv": _opencv,
}


@click.command()
@click.argument("images", nargs=-1, required=True)
def main(images: tuple[str, ...]) -> None:
    """Print one JSON line a decoder."""
    found = list(find_images(images))
    wanted = [load_rgb(path, SETTINGS).astype(int) for path in found]
    for name, make in DECODERS.items():
        try:
            decode = make()
        except ModuleNotFoundError:
            print(json.dumps({"decoder": name, "ms": None}))
            continue
        far = [np.abs(decode(path) - want) for path, want in zip(found, wanted, strict=True)]
        rounds = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            for path in found:
                decode(path)
            rounds.append((time.perf_counter() - started) * 1000 / len(found))
        row = {"decoder": name, "ms": round(median(rounds), 2), "images": len(found)}
        apart = {"max": int(max(one.max() for one in far)), "mean": float(np.mean(far))}
        print(json.dumps({**row, "pixels_apart": apart}))


if __name__ == "__main__":
    main()
