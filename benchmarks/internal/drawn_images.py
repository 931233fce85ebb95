"""Draws images that are no blood smear, one function for each kind.

The key of a kind in `KINDS` decides its seed and whether it was used for tuning, so it must not
change.
"""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

WIDTH, HEIGHT = 640, 480
WORDS = ("dose", "mg", "blood", "count", "of", "the", "patient", "was", "taken", "at", "night")

Floats = NDArray[np.float64]
Drawing = Callable[[np.random.Generator], Image.Image]


def _image(pixels: Floats) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _smooth(rng: np.random.Generator, cells: int, channels: int = 3) -> Floats:
    """Return smooth noise with about `cells` blobs across: (HEIGHT, WIDTH, channels), [0, 1]."""
    small = rng.random((max(2, cells * 3 // 4), max(2, cells), channels))
    planes = [
        np.asarray(Image.fromarray(small[..., c]).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
        for c in range(channels)
    ]
    return np.stack(planes, axis=-1).astype(np.float64)


def _colour(rng: np.random.Generator, low: int = 0, high: int = 256) -> tuple[int, ...]:
    return tuple(int(value) for value in rng.integers(low, high, 3))


def _blank(rng: np.random.Generator) -> Image.Image:
    light = 190 + 50 * _smooth(rng, 2, 1) + np.array([0, -3, -10]) + rng.normal(0, 2, (1, 1, 3))
    return _image(light + rng.normal(0, 1.5, (HEIGHT, WIDTH, 3)))


def _dust(rng: np.random.Generator) -> Image.Image:
    image = _blank(rng)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(3, 14))):
        x, y, r = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(2, 12)
        draw.ellipse((x - r, y - r, x + r, y + r / 2), fill=(120, 115, 110))
    return image.filter(ImageFilter.GaussianBlur(1.5))


def _black(rng: np.random.Generator) -> Image.Image:
    return _image(rng.normal(6, 3, (HEIGHT, WIDTH, 3)))


def _flat(rng: np.random.Generator) -> Image.Image:
    return Image.new("RGB", (WIDTH, HEIGHT), _colour(rng))


def _gradient(rng: np.random.Generator) -> Image.Image:
    ramp = np.linspace(0, 1, WIDTH)[None, :, None] * np.ones((HEIGHT, 1, 1))
    return _image(ramp * _colour(rng) + (1 - ramp) * _colour(rng))


def _white_noise(rng: np.random.Generator) -> Image.Image:
    return _image(rng.uniform(0, 255, (HEIGHT, WIDTH, 3)))


def _grey_noise(rng: np.random.Generator) -> Image.Image:
    return _image(np.repeat(rng.normal(128, 50, (HEIGHT, WIDTH, 1)), 3, axis=2))


def _clouds(rng: np.random.Generator) -> Image.Image:
    parts = [_smooth(rng, cells) * weight for cells, weight in ((4, 140), (16, 70), (60, 40))]
    return _image(sum(parts[1:], parts[0]))


def _pink_clouds(rng: np.random.Generator) -> Image.Image:
    tint = np.array([225.0, 170.0, 205.0])
    depth = sum(_smooth(rng, cells, 1) for cells in (6, 20, 70)) / 3
    return _image(tint * (0.55 + 0.6 * depth))


def _tissue(rng: np.random.Generator) -> Image.Image:
    """Draw tissue stained with haematoxylin and eosin, which has no empty background."""
    eosin = np.array([0.07, 0.99, 0.11]) * (0.5 + 0.5 * _smooth(rng, 40, 1))
    pixels = 250 * np.exp(-eosin * (0.4 + 0.4 * _smooth(rng, 8, 1)))
    image = _image(pixels)
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(700, 1500))):
        x, y = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT)
        a, b = rng.uniform(3, 9, 2)
        draw.ellipse((x - a, y - b, x + a, y + b), fill=(95, 60, 140))
    return image.filter(ImageFilter.GaussianBlur(1))


def _brown_tissue(rng: np.random.Generator) -> Image.Image:
    dab = np.array([0.27, 0.57, 0.78]) * _smooth(rng, 25, 1) ** 3 * 2
    blue = np.array([0.65, 0.70, 0.29]) * (_smooth(rng, 60, 1) > 0.6) * 0.7
    return _image(245 * np.exp(-dab - blue)).filter(ImageFilter.GaussianBlur(1))


def _page(rng: np.random.Generator, paper: str = "white", ink: str = "black") -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT), paper)
    draw, words = ImageDraw.Draw(image), random.Random(int(rng.integers(1 << 30)))
    size = int(rng.integers(10, 30))
    for row in range(0, HEIGHT, int(size * 1.4)):
        line = " ".join(words.choice(WORDS) for _ in range(14))
        draw.text((10, row), line, fill=ink, font=ImageFont.load_default(size))
    return image


def _screen(rng: np.random.Generator) -> Image.Image:
    image = _page(rng, "#1e1e2e", "#9cdcfe")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, WIDTH, 30), fill=_colour(rng))
    draw.rectangle((0, 30, 120, HEIGHT), fill=(45, 45, 60))
    return image


def _pink_page(rng: np.random.Generator) -> Image.Image:
    return _page(rng, "#f3d5e6", "#5b2a86")


def _checks(rng: np.random.Generator) -> Image.Image:
    side = int(rng.integers(6, 60))
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    board = ((x // side + y // side) % 2)[..., None]
    return _image(board * np.array(_colour(rng)) + (1 - board) * np.array(_colour(rng, 128)))


def _stripes(rng: np.random.Generator) -> Image.Image:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 60)
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period)
    return _image(wave[..., None] * _colour(rng) + (1 - wave[..., None]) * _colour(rng, 128))


def _shapes(rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT), _colour(rng))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(10, 60))):
        x, y = sorted(rng.integers(0, WIDTH, 2)), sorted(rng.integers(0, HEIGHT, 2))
        shape = draw.rectangle if rng.random() < 0.5 else draw.ellipse
        shape((int(x[0]), int(y[0]), int(x[1]), int(y[1])), fill=_colour(rng))
    return image


def _discs(rng: np.random.Generator, colours: list[tuple[int, ...]] | None = None) -> Image.Image:
    """Draw discs of the size of cells, in colours that no stain has."""
    image = Image.new("RGB", (WIDTH, HEIGHT), _colour(rng, 200))
    draw = ImageDraw.Draw(image)
    colours = colours or [(60, 140, 60), (40, 90, 200), (230, 160, 30)]
    for _ in range(int(rng.integers(100, 250))):
        x, y, r = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(8, 16)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colours[int(rng.integers(len(colours)))])
    return image.filter(ImageFilter.GaussianBlur(1))


def _fluorescence(rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT), (3, 3, 8))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(20, 120))):
        x, y, r = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT), rng.uniform(6, 18)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(20, int(rng.integers(60, 220)), 90))
    return image.filter(ImageFilter.GaussianBlur(3))


def _plot(rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((60, 30, WIDTH - 30, HEIGHT - 50), outline="black")
    for _ in range(int(rng.integers(1, 6))):
        y = HEIGHT / 2 + np.cumsum(rng.normal(0, 6, 110))
        draw.line([(60 + 5 * at, float(v)) for at, v in enumerate(y)], fill=_colour(rng), width=2)
    return image


def _bars(rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    for x in range(40, WIDTH - 40, 50):
        draw.rectangle((x, int(rng.integers(50, 400)), x + 35, HEIGHT - 40), fill=_colour(rng))
    return image


def _landscape(rng: np.random.Generator) -> Image.Image:
    sky = np.linspace(0, 1, HEIGHT)[:, None, None]
    pixels = (1 - sky) * np.array([90.0, 140, 220]) + sky * np.array([210.0, 225, 245])
    ridge = HEIGHT * (0.4 + 0.3 * _smooth(rng, 6, 1)[0, :, 0])
    ground = np.mgrid[:HEIGHT, :WIDTH][0] > ridge
    grass = np.array([60.0, 110, 40]) * (0.6 + 0.8 * _smooth(rng, 90, 1))
    return _image(np.where(ground[..., None], grass, pixels + 0 * grass))


def _fundus(rng: np.random.Generator) -> Image.Image:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    inside = ((x - WIDTH / 2) ** 2 + (y - HEIGHT / 2) ** 2 < (HEIGHT * 0.48) ** 2)[..., None]
    disc = np.array([190.0, 85, 35]) * (0.7 + 0.5 * _smooth(rng, 5, 1))
    image = _image(inside * disc)
    draw = ImageDraw.Draw(image)
    for _ in range(14):
        path = np.cumsum(rng.normal(0, 12, (25, 2)), axis=0) + [WIDTH * 0.6, HEIGHT / 2]
        draw.line([tuple(point) for point in path], fill=(120, 30, 15), width=3)
    return image.filter(ImageFilter.GaussianBlur(1))


def _radiograph(rng: np.random.Generator) -> Image.Image:
    soft = 40 + 150 * _smooth(rng, 5, 1) ** 2 + 30 * _smooth(rng, 40, 1)
    return _image(np.repeat(soft, 3, axis=2))


def _skin(rng: np.random.Generator) -> Image.Image:
    tone = np.array([226.0, 172, 150]) * (
        0.85 + 0.25 * _smooth(rng, 5, 1) + 0.06 * _smooth(rng, 90, 1)
    )
    image = _image(tone)
    draw = ImageDraw.Draw(image)
    r = float(rng.uniform(40, 110))
    draw.ellipse((320 - r, 240 - r, 320 + r, 240 + r * 0.8), fill=(120, 75, 60))
    return image.filter(ImageFilter.GaussianBlur(4))


def _bricks(rng: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT), (190, 185, 180))
    draw = ImageDraw.Draw(image)
    for row, y in enumerate(range(0, HEIGHT, 34)):
        for x in range(-40 if row % 2 else 0, WIDTH, 80):
            shade = int(rng.integers(120, 190))
            draw.rectangle((x, y, x + 74, y + 28), fill=(shade, shade // 2, shade // 3))
    return image


def _negative(rng: np.random.Generator) -> Image.Image:
    return ImageOps.invert(_discs(rng, [(230, 150, 190), (110, 60, 150)]))


KINDS: dict[str, Drawing] = {
    "blank": _blank,
    "dust": _dust,
    "black": _black,
    "flat": _flat,
    "gradient": _gradient,
    "white_noise": _white_noise,
    "grey_noise": _grey_noise,
    "clouds": _clouds,
    "pink_clouds": _pink_clouds,
    "tissue": _tissue,
    "brown_tissue": _brown_tissue,
    "page": _page,
    "screen": _screen,
    "pink_page": _pink_page,
    "checks": _checks,
    "stripes": _stripes,
    "shapes": _shapes,
    "discs": _discs,
    "fluorescence": _fluorescence,
    "plot": _plot,
    "bars": _bars,
    "landscape": _landscape,
    "fundus": _fundus,
    "radiograph": _radiograph,
    "skin": _skin,
    "bricks": _bricks,
    "negative": _negative,
}
