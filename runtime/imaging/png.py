"""Checks and decodes PNG: the checksum of every chunk, all 16 bits, and the declared colours."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from .file_flags import ASSUMED_RANGE
from .opening_errors import damage
from .sample_range import to_8_bits
from .striped_png import StripedPng, can_be_striped
from .wide_samples import png_samples

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def decode_png(content: bytes) -> tuple[Image.Image, tuple[str, ...]]:
    """Decode a PNG file of which every byte is checked.

    Parameters
    ----------
    content : bytes
        The whole file.

    Returns
    -------
    PIL.Image.Image
        Of 8 bits a sample.
    tuple of str
        ``assumed_range`` if 16-bit samples do not use their range.

    Raises
    ------
    ImageError
        If a chunk is cut, or does not have its checksum.
    """
    header, sbit, kinds = b"", b"", set()
    for kind, body in _chunks(content):
        kinds.add(kind)
        if kind == b"IHDR":
            header = bytes(body)
        elif kind == b"sBIT":
            sbit = bytes(body)

    def opened() -> Image.Image:
        return Image.open(io.BytesIO(content), formats=("PNG",))

    if len(header) != 13:
        raise damage("it has no header")
    depth, colour_type = header[8], header[9]
    colours = 3 if colour_type in (2, 6) else 1
    used = max(sbit[:colours], default=0)
    declared = 2**used - 1 if depth == 16 and 8 <= used < 16 else None
    if can_be_striped(header) and not (depth == 16 and b"tRNS" in kinds):
        with opened() as image:
            striped = StripedPng(content, image, declared)
        return striped, striped.flags
    if depth == 16:
        return _decode_16_bits(opened, colour_type, declared)
    image = opened()
    image.load()
    return image, ()


def _chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield kind and data of each chunk, checked, up to the end of the image."""
    view = memoryview(content)
    position = len(SIGNATURE)
    while position < len(view):
        if position + 12 > len(view):
            raise damage("its last chunk is cut")
        length, kind = struct.unpack_from(">I4s", view, position)
        end = position + 8 + length
        if end + 4 > len(view):
            raise damage(f"its chunk {_printable(kind)} is cut")
        checksum = struct.unpack_from(">I", view, end)[0]
        if zlib.crc32(view[position + 4 : end]) != checksum:
            raise damage(f"its chunk {_printable(kind)} does not have its checksum")
        yield kind, view[position + 8 : end]
        if kind == b"IEND":
            return
        position = end + 4


def _printable(kind: bytes) -> str:
    return kind.decode("ascii", "replace") if kind.isalpha() else kind.hex()


def _decode_16_bits(
    opened: Callable[[], Image.Image], colour_type: int, declared: int | None
) -> tuple[Image.Image, tuple[str, ...]]:
    """Decode 16-bit samples and scale them to 8 bits."""
    with opened() as image:
        info = dict(image.info)
    samples = png_samples(opened, colour_type)
    colours = 3 if colour_type in (2, 6) else 1
    pixels, assumed = to_8_bits(samples[..., :colours], 16, declared)
    if colour_type in (4, 6):
        alpha = to_8_bits(samples[..., colours:], 16, declared)[0]
        pixels = np.concatenate((pixels, alpha), axis=-1)
    elif "transparency" in info:  # one colour of 16 bits is transparent
        clear = (samples == np.array(info.pop("transparency"))).all(axis=-1, keepdims=True)
        pixels = np.concatenate((pixels, np.where(clear, 0, 255).astype(np.uint8)), axis=-1)
    shape = pixels if pixels.shape[-1] > 1 else pixels[..., 0]
    result = Image.fromarray(np.ascontiguousarray(shape))
    result.info, result.format = info, "PNG"
    return result, (ASSUMED_RANGE,) if assumed else ()
