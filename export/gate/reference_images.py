"""Chooses the 32 reference images of a bundle, most of them near the float model's threshold.

They come from a pool of generated and perturbed smears, or from a folder of images that may be
shipped. No training image is ever among them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from ...errors import DataError
from ...runtime.data.class_folders import smear_images
from ...runtime.image_settings import ImageSettings
from ...runtime.imaging import load_rgb
from ...train.phantom.optics import CAMERAS
from ...train.phantom.smears import draw_field
from ..types import Floats, Images, Indices
from .parity import NEAR

REFERENCES = 32
NEAREST = 12  # of the references are the nearest to the threshold, half from each side
POOL_SEED = 20_210
FIELDS, VARIANTS = 64, 4
FIELD_PX = 320
PICTURE_QUALITY, MAX_PICTURE_PX = 85, 2400
# How many blends are tried in the search for the threshold: the scores of a confident model are
# all far from it.
PAIRS, SHARES, ROUNDS = 8, 7, 3


def generate_pool(settings: ImageSettings) -> Images:
    """Return generated and perturbed smears, (256, S, S, 3) uint8.

    A quarter are fields as they were drawn. The others are blends of a field with blasts and one
    without, and fields in other lights and stains or out of focus.
    """
    fields = [
        load_rgb(np.asarray(draw_field(POOL_SEED, i, i % 2 == 1, size=FIELD_PX)[0]), settings)
        for i in range(FIELDS)
    ]
    drawn = []
    for index in range(FIELDS * VARIANTS):
        rng = np.random.default_rng([POOL_SEED, index])
        field, other = fields[index % FIELDS], fields[(index + 1) % FIELDS]
        variant = index // FIELDS
        if variant in (1, 3):
            field = blend(field, other, float(rng.uniform(0.2, 0.8)))
        if variant in (2, 3):
            field = perturb(field, rng)
        drawn.append(field)
    return np.stack(drawn)


def draw_picture(settings: ImageSettings) -> Image.Image:
    """Return a generated field from which `alledge verify` tests how a machine loads images.

    It is not square, and a JPEG of it is decoded at half its size, so that another geometry, size
    or draft gives other pixels.

    Parameters
    ----------
    settings : ImageSettings
    """
    camera = CAMERAS[0]
    size = min(math.ceil(2 * settings.draft / min(camera.width, camera.height)), MAX_PICTURE_PX)
    return draw_field(POOL_SEED, FIELDS, blast=True, camera=camera, size=size)[0]


def blend(one: Images, other: Images, share: float) -> Images:
    """Return a mixture of two images; `share` in [0, 1] is the part of `other`."""
    mixed = one.astype(np.float32) * (1 - share) + other.astype(np.float32) * share
    return np.round(mixed).astype(np.uint8)


def load_reference_folder(folder: Path, settings: ImageSettings) -> Images:
    """Return the images of a folder, which the user allows to be shipped, (N, S, S, 3) uint8.

    Raises
    ------
    DataError
        If there are fewer than the references needed.
    ImageError
        If one cannot be read.
    """
    paths = smear_images(folder)
    if len(paths) < REFERENCES:
        raise DataError(
            f"{folder} has {len(paths)} images to choose references from",
            allowed=f"{REFERENCES} or more, of every label",
            fix="leave --reference out to use generated smears",
        )
    return np.stack([load_rgb(path, settings) for path in paths])


def choose_references(p: Floats, threshold: float) -> Indices:
    """Return which images become references, in the order of their scores.

    Parameters
    ----------
    p : (N,) ndarray of float
        The float model's calibrated positive probabilities, N >= 32.
    threshold : float

    Returns
    -------
    (32,) ndarray of int
        The nearest to the threshold on either side, and others spread evenly over the scores of
        both sides.
    """
    order = np.argsort(p, kind="stable")
    sides = [order[p[order] < threshold][::-1], order[p[order] >= threshold]]  # nearest first
    half = REFERENCES // 2
    counts = [min(half, len(side)) for side in sides]
    counts = [min(len(sides[i]), REFERENCES - counts[1 - i]) for i in (0, 1)]
    chosen: list[int] = []
    for side, count in zip(sides, counts, strict=True):
        near = min(NEAREST // 2, count)
        rest = side[near:]
        spread = np.unique(np.linspace(0, len(rest) - 1, count - near).round().astype(int))
        chosen += [int(i) for i in side[:near]] + [int(rest[i]) for i in spread if len(rest)]
    return np.array(sorted(chosen, key=lambda index: (p[index], index)), dtype=np.int64)


def add_blends(
    images: Images, p: Floats, threshold: float, score: Callable[[Images], Floats]
) -> tuple[Images, Floats]:
    """Return the pool with blends added whose scores approach the threshold.

    Blends of an image below the threshold and one above it are scored; the search goes on between
    the two blends where the score crosses the threshold. It ends when there are enough images near
    the threshold.

    Parameters
    ----------
    images : (N, S, S, 3) ndarray of uint8
    p : (N,) ndarray of float
    threshold : float
    score : callable
        From images to the float model's calibrated positive probabilities.

    Returns
    -------
    images, p
        Unchanged if all scores are on one side of the threshold.
    """
    below, above = np.flatnonzero(p < threshold), np.flatnonzero(p >= threshold)
    if not len(below) or not len(above):
        return images, p
    pairs = [(below[i % len(below)], above[i % len(above)]) for i in range(PAIRS)]
    low, high = np.zeros(PAIRS), np.ones(PAIRS)  # share of the image above
    for _ in range(ROUNDS):
        if enough_near(p, threshold):
            break
        shares = np.linspace(low, high, SHARES + 2)[1:-1]
        mixed = np.stack(
            [
                blend(images[a], images[b], float(share))
                for row in shares
                for (a, b), share in zip(pairs, row, strict=True)
            ]
        )
        mixed_p = score(mixed)
        images, p = np.concatenate([images, mixed]), np.concatenate([p, mixed_p])
        crossed = mixed_p.reshape(shares.shape) >= threshold
        first = np.where(crossed.any(axis=0), crossed.argmax(axis=0), SHARES)
        bounds = np.concatenate([low[None], shares, high[None]])
        low, high = bounds[first, range(PAIRS)], bounds[first + 1, range(PAIRS)]
    return images, p


def enough_near(p: Floats, threshold: float) -> bool:
    """Return whether the nearest references on both sides are near the threshold already."""
    near = np.abs(p - threshold) <= NEAR
    above = p >= threshold
    return bool(min(np.sum(near & above), np.sum(near & ~above)) >= NEAREST // 2)


def perturb(field: Images, rng: np.random.Generator) -> Images:
    """Return a field or a cell with another focus, brightness, color cast and rotation."""
    image = Image.fromarray(field)
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 2.5))))
    brightness = np.asarray(image, np.float32) * rng.uniform(0.7, 1.15)
    color_cast = brightness * rng.uniform(0.85, 1.15, 3)
    rotated = np.rot90(color_cast, int(rng.integers(4)))
    return np.clip(np.round(rotated), 0, 255).astype(np.uint8)
