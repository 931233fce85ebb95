"""Recordings of a microscope stage for tests: fields that move in, get sharp and stand still."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

SIZE = (320, 240)
RATE = 15  # frames a second


def field(seed: int, background: int = 225) -> Image.Image:
    """Return a generated field: cells as discs, on a bright background with some grain."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", SIZE, (background, background - 5, background))
    draw = ImageDraw.Draw(picture)
    for _ in range(40):
        x, y = int(rng.integers(0, SIZE[0])), int(rng.integers(0, SIZE[1]))
        colour = (170, 110, 130) if rng.random() < 0.8 else (90, 50, 130)
        draw.ellipse((x - 12, y - 12, x + 12, y + 12), fill=colour)
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=(200, 150, 170))
    return picture


def frames_of(picture: Image.Image, blurs: list[float], seed: int) -> Iterator[NDArray[np.uint8]]:
    """Yield frames of a field: each with its blur, in pixels, and the noise of a sensor."""
    rng = np.random.default_rng(seed)
    for blur in blurs:
        frame = np.asarray(picture.filter(ImageFilter.GaussianBlur(blur)), np.float32)
        noisy = frame + rng.normal(0, 1.5, frame.shape)
        yield np.clip(noisy, 0, 255).astype(np.uint8)


FOCUSED = [3 - 0.2 * step for step in range(15)] + [0.0] * 30  # a second to focus, two to look
NEVER_SHARP = [2.0, 1.0, 0.0, 0.0, 1.0] + [3.0] * 40  # passed in focus, and left out of focus


def stage(plan: list[tuple[int, list[float]]]) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of several fields, one after the other: seed and blurs of each."""
    for seed, blurs in plan:
        yield from frames_of(field(seed), blurs, seed)


def write_recording(path: Path, frames: Iterator[NDArray[np.uint8]]) -> Path:
    """Write frames as a video file."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), RATE, SIZE)
    assert writer.isOpened()
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path
