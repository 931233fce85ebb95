"""Checks and decodes PNG: the checksum of every chunk, all 16 bits, and the declared colours."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from .file_flags import ASSUMED_COLOUR, ASSUMED_RANGE
from .opening_errors import damage
from .sample_range import refuse_large, to_8_bits
from .striped_png import CHANNELS, SIGNATURE, StripedPng, can_be_striped, inflated
from .wide_samples import png_samples

_READ = (b"IHDR", b"sBIT", b"tRNS", b"cICP", b"iCCP", b"gAMA")
MIN_GAMMA = 0.1  # a value outside 0.1 to 10 is damage: displays have 1/2.2, linear light has 1


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
    chunks = {kind: bytes(body) for kind, body in _chunks(content) if kind in _READ}
    header, sbit = chunks.get(b"IHDR", b""), chunks.get(b"sBIT", b"")

    def opened() -> Image.Image:
        return Image.open(io.BytesIO(content), formats=("PNG",))

    if len(header) != 13:
        raise damage("it has no header")
    depth, colour_type = header[8], header[9]
    colours = 3 if colour_type in (2, 6) else 1
    used = max(sbit[:colours], default=0)
    declared = 2**used - 1 if depth == 16 and 8 <= used < 16 else None
    decoded: Image.Image
    flags: tuple[str, ...] = ()
    if can_be_striped(header) and not (depth == 16 and b"tRNS" in chunks):
        with opened() as image:
            striped = StripedPng(content, image, declared)
        decoded, flags = striped, striped.flags
    elif depth == 16:
        refuse_large(math.prod(struct.unpack_from(">II", header)), depth)
        decoded, flags = _decode_16_bits(opened, colour_type, declared)
        _check_rows(decoded, content, header)
    else:
        decoded = opened()
        decoded.load()
        _check_rows(decoded, content, header)
    return decoded, flags + _colour_flags(decoded, chunks)


def _check_rows(image: Image.Image, content: bytes, header: bytes) -> None:
    """Refuse an image without its last rows, which Pillow leaves black.

    The rows are counted only if one of the last two is black: an interlaced file ends with the
    odd rows.
    """
    last = image.crop((0, max(0, image.height - 2), image.width, image.height))
    if all(np.any(row) for row in np.asarray(last)):
        return
    width, height, depth, colour_type = struct.unpack_from(">IIBB", header)
    bits = depth * CHANNELS[colour_type]
    needed = sum(
        rows * (1 + (columns * bits + 7) // 8)
        for columns, rows in (_passes(width, height) if header[12] else [(width, height)])
        if columns
    )
    if sum(map(len, inflated(content))) < needed:
        raise damage("pixels are missing")


def _passes(width: int, height: int) -> list[tuple[int, int]]:
    """Return width and height of the seven images of an interlaced PNG (Adam7)."""
    starts_steps = (
        (0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2),
        (0, 1, 1, 2),
    )  # fmt: skip
    return [
        (len(range(left, width, right)), len(range(top, height, down)))
        for left, right, top, down in starts_steps
    ]


def _colour_flags(image: Image.Image, chunks: dict[bytes, bytes]) -> tuple[str, ...]:
    """Return ``assumed_colour`` if the colours that the chunks declare cannot be applied."""
    unknown = b"iCCP" in chunks and not image.info.get("icc_profile")
    if b"cICP" in chunks:
        from .video_colours import is_near_srgb  # few files have the chunk

        codes = chunks[b"cICP"]
        unknown |= codes[2:] != b"\0\1" or not is_near_srgb(codes[0], codes[1])
    gamma = image.info.get("gamma", 1)
    if b"gAMA" in chunks and not MIN_GAMMA <= gamma <= 1 / MIN_GAMMA:
        image.info.pop("gamma", None)
        unknown = True
    return (ASSUMED_COLOUR,) if unknown else ()


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
