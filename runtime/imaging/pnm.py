"""Checks PGM and PPM, and reads those of more than 8 bits, of which Pillow keeps 8."""

from __future__ import annotations

import re

import numpy as np
from PIL import Image

from .file_flags import ASSUMED_RANGE, DAMAGED, SEVERAL_IMAGES
from .opening_errors import damage
from .sample_range import refuse_large, to_8_bits

_HEADER = re.compile(
    rb"(P[2356])"
    + rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,6})" * 2
    + rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,5})\s"
)


def check_pnm(content: bytes) -> tuple[str, ...]:
    """Check the samples of a binary PGM or PPM file, and what follows them.

    Parameters
    ----------
    content : bytes
        The whole file.

    Returns
    -------
    tuple of str
        ``several_images`` if another picture follows the first, ``damaged`` if other bytes do:
        the pixels may begin at another place.

    Raises
    ------
    ImageError
        If an 8-bit sample exceeds the declared value.
    """
    header = _HEADER.match(content)
    if header is None or header[1] not in (b"P5", b"P6"):
        return ()
    full = int(header[4])
    needed = int(header[2]) * int(header[3]) * (3 if header[1] == b"P6" else 1)
    needed *= 2 if full > 255 else 1
    end = header.end() + needed
    if full < 255:
        highest = int(np.frombuffer(content[header.end() : end], np.uint8).max(initial=0))
        _refuse_above(full, highest)
    rest = content[end : end + 16].strip()
    if not rest:
        return ()
    return (SEVERAL_IMAGES,) if rest[:1] == b"P" and rest[1:2] in b"123456" else (DAMAGED,)


def _refuse_above(full: int, highest: int) -> None:
    if highest > full:
        raise damage(f"it declares values up to {full}, and has {highest}")


def decode_wide_pnm(content: bytes) -> tuple[Image.Image, tuple[str, ...]] | None:
    """Decode a PGM or PPM file whose header declares a highest value above 255.

    Parameters
    ----------
    content : bytes
        The whole file.

    Returns
    -------
    tuple of PIL.Image.Image and tuple of str, or None
        The picture of 8 bits a sample, and ``assumed_range`` if the file declares 65535 and does
        not use it. None for any other file.

    Raises
    ------
    ImageError
        If pixels are missing or exceed the declared value.
    """
    header = _HEADER.match(content)
    if header is None or int(header[4]) <= 255:
        return None
    kind, width, height, full = header[1], int(header[2]), int(header[3]), int(header[4])
    shape = (height, width, 3) if kind in (b"P3", b"P6") else (height, width)
    refuse_large(width * height, 16)
    count = int(np.prod(shape))
    body = content[header.end() :]
    if kind in (b"P5", b"P6"):
        samples = np.frombuffer(body[: 2 * count], ">u2", len(body[: 2 * count]) // 2)
    else:
        words = re.sub(rb"#[^\r\n]*", b"", body).split()[:count]
        samples = np.array([int(word) for word in words])
    if len(samples) < count:
        raise damage("pixels are missing at its end")
    _refuse_above(full, samples.max())
    declared = full if full < 65535 else None
    pixels, assumed = to_8_bits(samples.reshape(shape), 16, declared)
    return Image.fromarray(pixels), (ASSUMED_RANGE,) if assumed else ()
