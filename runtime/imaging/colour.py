"""Converts pixels of any mode to 8-bit RGB."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ...errors import ImageError

UINT16_PER_UINT8 = 257  # 65535 / 255
ROWS_AT_ONCE = 256  # rows of a 16-bit image that are converted to 8 bits at once


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to RGB."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):  # 16-bit grey: I;16, I;16B, or I holding 16-bit values
        samples = np.asarray(image)
        if samples.min() < 0 or samples.max() > np.iinfo(np.uint16).max:
            raise ImageError(f"pixels from {samples.min()} to {samples.max()} have no known range")
        grey = np.empty(samples.shape, np.uint8)
        for top in range(0, len(samples), ROWS_AT_ONCE):
            rows = samples[top : top + ROWS_AT_ONCE].astype(np.uint32)
            grey[top : top + ROWS_AT_ONCE] = (rows + UINT16_PER_UINT8 // 2) // UINT16_PER_UINT8
        return Image.fromarray(grey).convert("RGB")
    if image.mode == "F":
        raise ImageError("floating-point pixels have no known range", fix="save it as 8-bit RGB")
    if image.has_transparency_data:
        return Image.alpha_composite(
            Image.new("RGBA", image.size, "white"), image.convert("RGBA")
        ).convert("RGB")
    return image.convert("RGB")
