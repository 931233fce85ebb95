"""Loads a whole field at its own aspect ratio, for the search for cells."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from .colour import to_opaque
from .colour_profile import profile_mode, to_srgb
from .decoding import decode
from .lazy_image import StripedImage
from .loading import image_of_array, opened_source, thumbnail_of_strips, upright, wording
from .opening import UNKNOWN_CAMERA, Header, header_of
from .opening_errors import image_errors
from .sources import resolve_source

if TYPE_CHECKING:
    from ..types import RGB, ImageSource

MAX_REDUCTION = 8  # as the decoder of JPEG
MAX_PIXELS = 12_000_000  # of the reduced field; it bounds the memory of panoramas


def load_field(source: ImageSource, least: int) -> tuple[RGB, Header, float]:
    """Return an upright field, reduced as far as the search for cells allows.

    Every file format is reduced by the same factor: 1, 2, 4 or 8.

    Parameters
    ----------
    source : as of `load_rgb`
    least : int
        Least width and height of the reduced field, in pixels. A smaller field is not reduced
        unless it has more than `MAX_PIXELS`.

    Returns
    -------
    (H, W, 3) ndarray of uint8, RGB
    Header
        Of the file, as `load_image` returns it.
    float
        Pixels of the upright original per pixel of the array, at least 1.

    Raises
    ------
    ImageError
        As `load_rgb`.
    """
    given, header = resolve_source(source), None
    if isinstance(given, np.ndarray):
        decoded, flags = image_of_array(given)
        header = Header(*decoded.size, UNKNOWN_CAMERA, flags)
        original = decoded.size
    else:
        with opened_source(given) as image, image_errors(*wording(given)):
            header = None if image.format == "PNG" else header_of(image)
            original = image.size
            decoded, flags = decode(image, min(original) // _reduction(original, least))
            header = header or header_of(decoded)
            if isinstance(decoded, StripedImage):
                longest = max(decoded.size) // _reduction(decoded.size, least)
                decoded = thumbnail_of_strips(decoded, longest)
            decoded.load()
    with image_errors(*wording(given)):
        scale = max(original) / max(decoded.size)
        # after a scale of the JPEG decoder, the factor is 1
        factor = max(1, round(_reduction(original, least) / scale))
        picture = to_opaque(upright(decoded), profile_mode(decoded))
        picture, colour_flags = to_srgb(picture, decoded)
        if factor > 1:
            picture = picture.reduce(factor)
        flags = tuple(dict.fromkeys(header.flags + flags + colour_flags))
        rgb = np.asarray(picture, dtype=np.uint8)
        header = dataclasses.replace(header, flags=flags)
        return rgb, header, max(original) / max(picture.size)


def _reduction(size: tuple[int, int], least: int) -> int:
    """Return the largest power of two, at most 8, that leaves both sides at least this long.

    A field of too many pixels is reduced further.
    """
    factor = 1
    while factor < MAX_REDUCTION and (
        min(size) // (2 * factor) >= least or size[0] * size[1] > MAX_PIXELS * factor**2
    ):
        factor *= 2
    return factor
