"""Converts pixels of any mode to 8-bit RGB."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import ImageError
from .file_flags import ASSUMED_RANGE
from .sample_range import to_8_bits

_GREY_MODES = ("1", "L", "LA", "La")


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of 8 bits a sample to RGB; transparent pixels are blended with white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode == "La":  # Pillow converts it to nothing else
        image = image.convert("LA")
    if image.has_transparency_data:
        return Image.alpha_composite(
            Image.new("RGBA", image.size, "white"), image.convert("RGBA")
        ).convert("RGB")
    return image.convert("RGB")


def to_opaque(image: Image.Image, mode: str | None) -> Image.Image:
    """Convert an image to RGB, or to the mode that its colour profile needs if it has that mode.

    Parameters
    ----------
    image : PIL.Image.Image
        Of 8 bits a sample.
    mode : str or None
        As `profile_mode` returns it.

    Returns
    -------
    PIL.Image.Image
    """
    if mode == "CMYK" and image.mode == "CMYK":
        return image
    if mode == "L" and image.mode in _GREY_MODES:
        return to_rgb(image).convert("L")
    return to_rgb(image)


def to_narrow(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """Convert a grey image of 16 or 32 bits to 8 bits; others are returned as they are.

    Parameters
    ----------
    image : PIL.Image.Image
        Decoded.

    Returns
    -------
    PIL.Image.Image
    tuple of str
        ``assumed_range`` if the samples do not use their range.

    Raises
    ------
    ImageError
        If the samples are floating-point numbers or have no known range.
    """
    if image.mode == "F":
        raise ImageError("floating-point pixels have no known range", fix="save it as 8-bit RGB")
    if not image.mode.startswith("I"):  # I;16, I;16B, or I holding 16-bit values
        return image, ()
    samples: NDArray[Any] = np.asarray(image)
    if image.mode == "I" and samples.max() > np.iinfo(np.uint16).max:
        raise ImageError(f"pixels from {samples.min()} to {samples.max()} have no known range")
    grey, assumed = to_8_bits(samples, 16)
    result = Image.fromarray(grey)
    result.info = {key: image.info[key] for key in image.info if key != "transparency"}
    result.format = image.format
    return result, (ASSUMED_RANGE,) if assumed else ()
