"""Decodes JPEG 2000, with the samples and colours that Pillow does not read rightly."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import ImageError, MissingPackageError
from .file_flags import ASSUMED_RANGE
from .sample_range import refuse_large, to_8_bits

_SIZE = b"\xff\x4f\xff\x51"  # start of the codestream, and its marker SIZ
_COLOURS, _ENUMERATED, _PROFILE = b"colr", 1, 2
_SRGB, _GREY, _LAB = 16, 17, (14, 19)
SAVE_FIX = "save it as 8-bit RGB TIFF or PNG"


def decode_jpeg_2000(image: Image.Image, content: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    """Decode an opened JPEG 2000 file.

    Pillow keeps the high 8 bits of each colour; imagecodecs reads all bits.

    Parameters
    ----------
    image : PIL.Image.Image
        Not loaded.
    content : bytes
        The whole file.

    Returns
    -------
    PIL.Image.Image
        Of 8 bits a sample. Its ``info`` has the colour profile.
    tuple of str
        ``assumed_range`` if 16-bit samples do not use their range.

    Raises
    ------
    ImageError
        If its samples or its colour space have no known meaning.
    MissingPackageError
        If it has more than 8 bits, and imagecodecs is missing.
    """
    sizes = _sample_sizes(content)
    colour_space, profile = _colour_space(content)
    bits = 1 + max(sizes, default=7)
    if any(size & 0x80 for size in sizes):
        raise ImageError("its samples have a sign", fix=SAVE_FIX)
    if colour_space in _LAB:
        raise ImageError("it holds CIELab colours", fix=SAVE_FIX)
    flags: tuple[str, ...] = ()
    if bits <= 8:
        image.load()
        decoded = image
    else:
        if len(set(sizes)) > 1 or bits > 16 or colour_space not in (None, _SRGB, _GREY):
            raise ImageError(f"its samples of {bits} bits have no known colours", fix=SAVE_FIX)
        refuse_large(image.width * image.height, bits)
        decoded, flags = _decode_wide(content, bits)
        decoded.format = image.format
    if profile:
        decoded.info["icc_profile"] = profile
    return decoded, flags


def _decode_wide(content: bytes, bits: int) -> tuple[Image.Image, tuple[str, ...]]:
    try:
        import imagecodecs
    except ImportError:
        needed_for = f"a JPEG 2000 of {bits} bits a sample"
        raise MissingPackageError("imagecodecs", "formats", needed_for) from None
    samples: NDArray[Any] = imagecodecs.jpeg2k_decode(content)
    samples = samples.reshape(*samples.shape[:2], -1)
    channels = samples.shape[-1]
    if channels > 4:
        raise ImageError(f"it has {channels} channels", fix=SAVE_FIX)
    declared = 2**bits - 1 if bits < 16 else None
    colours = 3 if channels > 2 else 1
    pixels, assumed = to_8_bits(samples[..., :colours], bits, declared)
    if channels in (2, 4):
        alpha, _ = to_8_bits(samples[..., colours:], bits, declared)
        pixels = np.concatenate((pixels, alpha), axis=-1)
    decoded = Image.fromarray(pixels[..., 0] if channels == 1 else np.ascontiguousarray(pixels))
    return decoded, (ASSUMED_RANGE,) if assumed else ()


def _sample_sizes(content: bytes) -> list[int]:
    """Return the byte Ssiz of each component: the bits less 1, and 128 for a sign."""
    start = content.find(_SIZE)
    if start < 0 or start + 42 > len(content):
        return []
    components = struct.unpack_from(">H", content, start + 40)[0]
    return list(content[start + 42 : start + 42 + 3 * components : 3])


def _colour_space(content: bytes) -> tuple[int | None, bytes]:
    """Return the enumerated colour space and the ICC profile of a JP2 file, where it has them."""
    enumerated, profile = None, b""
    head = content[: max(0, content.find(_SIZE))]
    start = head.find(_COLOURS)
    while start >= 4:
        size = struct.unpack_from(">I", head, start - 4)[0]
        body = head[start + 4 : start - 4 + size]
        if body[:1] == bytes([_ENUMERATED]) and len(body) >= 7:
            enumerated = struct.unpack_from(">I", body, 3)[0]
        elif body[:1] == bytes([_PROFILE]):
            profile = body[3:]
        start = head.find(_COLOURS, start + 4)
    return enumerated, profile
