"""Small JPEGs of an image for people, of the pixels that the classifier has decoded anyway."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from .imaging import Header

if TYPE_CHECKING:
    from .types import RGB

PREVIEW_PIXELS, THUMBNAIL_PIXELS = 1400, 240  # longest side
# A picture that is not much larger stays as it is: to reduce it takes three times as long as the
# JPEG of the larger picture takes longer.
UNREDUCED_PIXELS = 1800
LEAST_FACTOR = 5  # from which on a whole factor leaves a thumbnail of 200 pixels or more
PREVIEW_QUALITY, THUMBNAIL_QUALITY = 82, 80


@dataclass(frozen=True)
class Picture:
    """A JPEG.

    Parameters
    ----------
    jpeg : bytes
    width, height : int
        In pixels.
    """

    jpeg: bytes
    width: int
    height: int


@dataclass(frozen=True)
class Preview:
    """An image for people, in two sizes.

    Parameters
    ----------
    width, height : int
        Of the upright original, in whose pixels cells are.
    large, thumbnail : Picture
    """

    width: int
    height: int
    large: Picture
    thumbnail: Picture


def preview_of_field(rgb: RGB, header: Header) -> Preview:
    """Return the preview of a field at its own aspect ratio.

    Parameters
    ----------
    rgb : (H, W, 3) ndarray of uint8
    header : Header
        Of its file.
    """
    return preview_of(Image.fromarray(rgb), header.width, header.height)


def preview_of_square(rgb: RGB, header: Header, geometry: str) -> Preview:
    """Return the preview of an image that was resized to a square for the model.

    Parameters
    ----------
    rgb : (S, S, 3) ndarray of uint8
    header : Header
        Of its file.
    geometry : {"squash", "crop"}
        Of the image settings. A squashed image gets its aspect ratio back; of a cropped one, the
        part that the model saw is shown.
    """
    picture = Image.fromarray(np.ascontiguousarray(rgb))
    width, height = header.width, header.height
    if geometry == "squash":
        scale = picture.width / max(width, height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = picture.resize(size, Image.Resampling.BILINEAR)
    else:
        width = height = min(width, height)
    return preview_of(picture, width, height)


def preview_of(picture: Image.Image, width: int, height: int) -> Preview:
    """Return the preview of a decoded RGB image.

    Parameters
    ----------
    picture : PIL.Image.Image, RGB
        Not changed.
    width, height : int
        Of the upright original.
    """
    if max(picture.size) > UNREDUCED_PIXELS:
        picture = _reduced(picture, PREVIEW_PIXELS)
    large = _jpeg(picture, PREVIEW_QUALITY)
    if max(picture.size) <= THUMBNAIL_PIXELS:  # a model of fields saw no more
        return Preview(width, height, large, large)
    factor = math.ceil(max(picture.size) / THUMBNAIL_PIXELS)
    if factor >= LEAST_FACTOR:  # quicker than a factor that is not whole
        small = picture.reduce(factor)
    else:
        small = _reduced(picture, THUMBNAIL_PIXELS)
    return Preview(width, height, large, _jpeg(small, THUMBNAIL_QUALITY))


def _reduced(picture: Image.Image, longest: int) -> Image.Image:
    if max(picture.size) <= longest:
        return picture
    scale = longest / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.1)


def _jpeg(picture: Image.Image, quality: int) -> Picture:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Picture(stream.getvalue(), picture.width, picture.height)
