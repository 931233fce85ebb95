"""Fixtures of the runtime tests: the tiny network, the bundle writer and test pictures."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from support import bundles as bundle_writer
from support import tiny as tiny_network


@pytest.fixture(scope="session")
def tiny() -> ModuleType:
    """The tiny network: `tiny.expected(rgb)` is the probability that it must give."""
    return tiny_network


@pytest.fixture(scope="session")
def bundles() -> ModuleType:
    """The writer of test bundles."""
    return bundle_writer


def picture(width: int = 320, height: int = 240, seed: int = 0) -> Image.Image:
    """Return a smooth, asymmetric RGB picture."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def make_picture() -> Callable[..., Image.Image]:
    """The function that draws test pictures."""
    return picture
