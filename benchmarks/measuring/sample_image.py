"""Draws a sample image to time the image path with, if the user has no image.

It is not a blood smear. It is a JPEG with the dimensions and the file size that cameras save.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from ...runtime.files import replace_file

WIDTH, HEIGHT = 2592, 1944  # pixels of a Canon PowerShot G5, the camera of most of ALL-IDB1
DOWNSCALE = 2  # the shapes are drawn at half the size, which is quicker
RED_CELLS, NUCLEI = 260, 24
GRAIN = 4.0  # standard deviation of the added noise in grey levels; it sets the file size
QUALITY = 92


def write_sample_image(path: Path, seed: int = 0) -> None:
    """Draw red cells, a few purple nuclei and sensor noise, and write them as a JPEG.

    Parameters
    ----------
    path : Path
    seed : int
        The same seed gives the same pixels.
    """
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (WIDTH // DOWNSCALE, HEIGHT // DOWNSCALE), (236, 226, 222))
    draw = ImageDraw.Draw(image)
    for count, radius, colour in (
        (RED_CELLS, 26, (214, 160, 158)),
        (NUCLEI, 40, (98, 60, 140)),
    ):
        for _ in range(count):
            x, y = rng.uniform(0, image.width), rng.uniform(0, image.height)
            a, b = radius * rng.uniform(0.8, 1.2, 2)
            draw.ellipse((x - a, y - b, x + a, y + b), fill=colour)
    smooth = image.filter(ImageFilter.GaussianBlur(2)).resize((WIDTH, HEIGHT))
    pixels = np.asarray(smooth, dtype=np.float32) + rng.normal(0, GRAIN, (HEIGHT, WIDTH, 1))
    with replace_file(path) as beside:
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(
            beside, "JPEG", quality=QUALITY
        )
