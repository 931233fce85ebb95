"""Decodes a large PNG a few rows at a time, so that it needs no memory for all of its pixels.

The rows of a PNG refer to the row above. Each strip is written as a small PNG that begins with the
last row of the strip before, and decoded by Pillow.
"""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .file_flags import ASSUMED_RANGE
from .lazy_image import StripedImage
from .opening_errors import damage
from .sample_range import sample_range, to_8_bits
from .wide_samples import png_samples

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LARGE = 16_000_000  # pixels; a smaller image is decoded at once
PIXELS_OF_STRIP = 2_000_000
BYTES_AT_ONCE = 1 << 16
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


class StripedPng(StripedImage):
    """A large PNG.

    Parameters
    ----------
    content : bytes
        A PNG of 8 or 16 bits, not interlaced, whose chunks were checked.
    opened : PIL.Image.Image
        The same file, not loaded.
    declared : int, optional
        The full intensity of 16-bit samples that the file declares.
    """

    def __init__(self, content: bytes, opened: Image.Image, declared: int | None) -> None:
        super().__init__()
        header = content[16:29]
        width, height = struct.unpack_from(">II", header)
        self._size = width, height
        self._depth, self._colour_type = header[8], header[9]
        channels = CHANNELS[self._colour_type]
        self._mode = "P" if self._colour_type == 3 else _MODES[channels]
        self.format = "PNG"
        self.info = dict(opened.info)
        self.flags: tuple[str, ...] = ()
        self._content = content
        self._range: tuple[int, int] = (255, 255)  # of the colours, and of alpha
        if self._depth == 16:
            self.info.pop("transparency", None)
            self._range = self._ranges(declared)

    def strips(self) -> Iterator[Image.Image]:
        """Yield the rows as images of 8 bits a sample."""
        for image, samples in _decoded_strips(self._content):
            if self._depth == 8:
                image.info = dict(self.info)
                yield image
                continue
            colours = _colours(self._colour_type)
            pixels: NDArray[np.uint8] = np.empty(samples.shape, np.uint8)
            pixels[..., :colours] = to_8_bits(samples[..., :colours], 16, self._range[0])[0]
            if samples.shape[-1] > colours:
                pixels[..., colours:] = to_8_bits(samples[..., colours:], 16, self._range[1])[0]
            squeezed = np.squeeze(pixels, axis=-1) if self._mode == "L" else pixels
            yield Image.fromarray(np.ascontiguousarray(squeezed))

    def load(self) -> Any:
        """Decode all pixels, for what cannot work in strips."""
        if self._im is None:
            top, whole = 0, None
            for strip in self.strips():
                if whole is None:
                    whole = Image.new(self.mode, self.size)
                    if strip.mode == "P":
                        whole.putpalette(strip.getpalette() or [])
                whole.paste(strip, (0, top))
                top += strip.height
            assert whole is not None
            self.im, self.palette = whole.im, whole.palette
        return super().load()

    def _ranges(self, declared: int | None) -> tuple[int, int]:
        """Return the range of 16-bit colours and of alpha, from all samples."""
        highest, highest_alpha, colours = 0, 0, _colours(self._colour_type)
        for _, samples in _decoded_strips(self._content):
            highest = max(highest, int(samples[..., :colours].max()))
            if samples.shape[-1] > colours:
                highest_alpha = max(highest_alpha, int(samples[..., colours:].max()))
        full, assumed = sample_range(highest, 16, declared)
        self.flags = (ASSUMED_RANGE,) if assumed else ()
        return full, sample_range(highest_alpha, 16, declared)[0]


def can_be_striped(header: bytes) -> bool:
    """Return whether a PNG is large, of 8 or 16 bits and not interlaced.

    Parameters
    ----------
    header : bytes
        Data of the chunk IHDR.

    Returns
    -------
    bool
    """
    width, height, depth, _, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    return width * height > LARGE and depth in (8, 16) and not interlaced


def _colours(colour_type: int) -> int:
    return 3 if colour_type in (2, 6) else 1


def _decoded_strips(content: bytes) -> Iterator[tuple[Image.Image, NDArray[Any]]]:
    """Yield each strip as an image, and its samples (rows, width, channels)."""
    width, height, depth, colour_type = struct.unpack_from(">IIBB", content, 16)
    row_bytes = 1 + width * CHANNELS[colour_type] * depth // 8
    rows = max(1, PIXELS_OF_STRIP // width)
    before, top = b"", 0
    data = inflated(content)
    waiting = bytearray()
    while top < height:
        count = min(rows, height - top)
        while len(waiting) < count * row_bytes:
            piece = next(data, b"")
            if not piece:
                raise damage("pixels are missing")
            waiting += piece
        body = before + bytes(waiting[: count * row_bytes])
        del waiting[: count * row_bytes]
        small = _small_png(content, body, count + bool(before))
        if depth == 16:
            samples = png_samples(functools.partial(_open, small), colour_type)[bool(before) :]
            image = _open(small)
            last = samples[-1].astype(">u2").tobytes()
        else:
            with _open(small) as opened:
                opened.load()
                image = opened.crop((0, int(bool(before)), *opened.size))
            samples = np.asarray(image).reshape(count, width, -1)
            last = samples[-1].tobytes()
        yield image, samples
        before, top = b"\0" + last, top + count


def _open(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content), formats=("PNG",))


def inflated(content: bytes) -> Iterator[bytes]:
    """Yield the filtered rows of a PNG, whose chunks were checked, in pieces of 1 MiB."""
    inflate = zlib.decompressobj()
    for kind, body in _parts(content):
        if kind == b"IDAT":
            for start in range(0, len(body), BYTES_AT_ONCE):
                given: Any = body[start : start + BYTES_AT_ONCE]
                while given:
                    yield inflate.decompress(given, 16 * BYTES_AT_ONCE)
                    given = inflate.unconsumed_tail
    while not inflate.eof:
        piece = inflate.decompress(b"", 16 * BYTES_AT_ONCE)
        if not piece:
            return
        yield piece


def _parts(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield kind and data of each chunk; they were checked."""
    view, position = memoryview(content), len(SIGNATURE)
    while position + 12 <= len(view):
        length, kind = struct.unpack_from(">I4s", view, position)
        yield kind, view[position + 8 : position + 8 + length]
        position += 12 + length


def _small_png(content: bytes, rows: bytes, height: int) -> bytes:
    """Return a PNG of some rows with the palette of the whole."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + checksum

    header = content[16:20] + struct.pack(">I", height) + content[24:29]
    palette = [
        chunk(kind, bytes(body))
        for kind, body in _parts(content)
        if kind == b"PLTE" or (kind == b"tRNS" and header[8] == 8)
    ]
    pixels = chunk(b"IDAT", zlib.compress(rows, 0))
    return b"".join([SIGNATURE, chunk(b"IHDR", header), *palette, pixels, chunk(b"IEND", b"")])
