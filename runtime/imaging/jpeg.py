"""Decodes JPEG and finds damage in its scan, which libjpeg conceals.

libjpeg only warns of "corrupt JPEG data", and Pillow hides the warning: missing pixels become
grey, and the rest is shifted. These checks cost little time, because they use the one decoding:

- a scan may be followed only by the end marker or by the next part of a file of several scans;
- restart markers are numbered without a gap, and there are as many as the size of the image needs;
- the usual code of compressed pictures never gives a long run of one byte;
- after the last byte but 16 of the scan, the last row of pixels may not be finished yet;
- the scan must not end before the last block: libjpeg fills missing blocks with medium grey;
- the scans of a file of several scans must hold every bit of every coefficient.

A damaged byte that changes neither the number nor the order of the blocks cannot be found.
"""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageChops
from PIL.JpegImagePlugin import JpegImageFile

from ...errors import ImageError
from .file_flags import ASSUMED_COLOUR, DAMAGED
from .jpeg_structure import (
    BASELINE,
    MAX_SCANS,
    PROGRESSIVE,
    JpegStructure,
    missing_bits,
    read_structure,
)
from .opening import MAX_MEGAPIXELS
from .opening_errors import damage

END = b"\xff\xd9"
LAST_BYTES = 16  # some encoders write a few bytes behind the last block
# Length of a run of one byte. The usual Huffman tables never give the short one. Others may give
# it where the image has one colour, and a scan of single bits where it is white.
SHORT_RUN, LONG_RUN = 64, 4000
GREY, NEAR_GREY = 128, 16
FLAT_PIXELS = 2  # both sides of the last pixels; a block has at least as many at half scale
# Bytes that decode to blocks with detail, for a scan that may have ended too early.
NOISE = bytes(range(1, 251, 7)) * 64
MUCH_BLACK = 0.75  # mean share of black ink: a page of nothing but black


def decode_jpeg(content: bytes, side: int | None) -> tuple[Image.Image, tuple[str, ...]]:
    """Decode a JPEG at the smallest scale that has at least `side` pixels on both sides.

    A file that lacks nothing but its end marker is complete.

    Parameters
    ----------
    content : bytes
        The whole file.
    side : int, optional
        None decodes at full scale.

    Returns
    -------
    PIL.Image.Image
        RGB, L or CMYK (0 is no ink).
    tuple of str
        ``damaged`` if a part of a progressive file may be overwritten; ``assumed_colour`` if
        CMYK values contradict the marker that says how they are stored.

    Raises
    ------
    ImageError
        If the scan is damaged or cut, or has too many scans.
    """
    structure = read_structure(content)
    if len(structure.scans) > MAX_SCANS:
        raise ImageError(
            f"it has {len(structure.scans)} scans, refused before decoding",
            allowed=f"{MAX_SCANS} scans of a progressive JPEG",
            fix="save it as an ordinary JPEG",
        )
    if structure.precision != 8:
        raise ImageError(
            f"it has {structure.precision} bits a sample", fix="save it as 8-bit JPEG or PNG"
        )
    if structure.width * structure.height > MAX_MEGAPIXELS * 1_000_000:  # only of a part of a TIFF
        raise damage(f"a part declares more than {MAX_MEGAPIXELS} megapixels")
    if not structure.scans:
        raise damage("it has no scan")
    flags: tuple[str, ...] = ()
    if structure.frame in BASELINE and len(structure.scans) == 1:
        image, flags = _decode_one_scan(content, structure, side)
    elif structure.frame in BASELINE + PROGRESSIVE:
        image, flags = _decode_several_scans(content, structure, side)
    else:
        image = _open(io.BytesIO(content), side)
        image.load()
    if image.mode == "CMYK":
        image, colour_flags = _ink(image, structure.adobe)
        flags += colour_flags
    return image, flags


def check_jpeg_parts(parts: Iterable[bytes], tables: bytes) -> None:
    """Check the JPEG streams of a TIFF: its strips or tiles. They are decoded at 1/8 scale.

    Parameters
    ----------
    parts : iterable of bytes
    tables : bytes
        The tables that all parts share (tag JPEGTables), or nothing.

    Raises
    ------
    ImageError
        If a scan is cut or damaged.
    """
    for part in parts:
        if part:  # a tile may be left out
            decode_jpeg(tables[:-2] + part[2:] if tables else part, 1)


def _open(file: io.BytesIO, side: int | None) -> Image.Image:
    image = JpegImageFile(file)  # `Image.open` of a stream would import the plugins of all formats
    if side is not None:
        image.draft(None, (side, side))
    return image


class _SteppedFile(io.BytesIO):
    """Gives a JPEG decoder the file in two steps, and looks at the image in between."""

    def __init__(self, content: bytes, stop: int) -> None:
        super().__init__(content)
        self._stop = stop
        self._image: Image.Image | None = None
        self.finished_early = True  # unless the decoder reads the rest for missing pixels

    def watch(self, image: Image.Image) -> None:
        """Begin to give the file in two steps."""
        self._image = image

    def read(self, size: int | None = -1) -> bytes:
        """Return the bytes up to the stop, and then the rest."""
        if self._image is None:
            return super().read(size)
        if self.tell() < self._stop:
            return super().read(self._stop - self.tell())
        if self.tell() == self._stop:
            self.finished_early = _last_row_is_written(self._image)
        return super().read()


def _last_row_is_written(image: Image.Image) -> bool:
    """Return whether a decoder has written the last row; before, its pixels are zero."""
    core = image.im
    width, height = core.size
    return core.crop((0, height - 1, width, height)).getbbox() is not None


def _decode_one_scan(
    content: bytes, structure: JpegStructure, side: int | None
) -> tuple[Image.Image, tuple[str, ...]]:
    start, end = structure.scans[0]
    _check_restarts(structure)
    run = _longest_run(content, start, end)
    if run >= SHORT_RUN and structure.usual_tables:
        raise damage(f"its scan has a run of {run} equal bytes")
    whole = content if content[end:] == END else content[:end] + END  # a usual file: no copy
    file = _SteppedFile(whole, max(start, end - LAST_BYTES))
    image = _open(file, side)
    file.watch(image)
    image.load()
    if file.finished_early:
        raise damage("its scan has more data than the image needs")
    if _may_be_filled(image):
        noisy = _open(io.BytesIO(content[:end] + NOISE + END), side)
        if noisy.tobytes() != image.tobytes():
            raise damage("its scan ends before the last pixels")
    return image, (DAMAGED,) if run >= LONG_RUN else ()


def _longest_run(content: bytes, start: int, end: int) -> int:
    """Return about how many equal bytes follow each other at most, counted in pieces of 32."""
    size = end - start
    words = np.frombuffer(content, np.uint64, size // 8, offset=start)
    if not (words[1:] == words[:-1]).any():  # of nearly every file; a piece has four words
        return 0
    pieces = np.frombuffer(content, np.uint8, size // 32 * 32, offset=start).reshape(-1, 32)
    equal = np.flatnonzero((pieces == pieces[:, :1]).all(axis=1))
    if not len(equal):
        return 0
    values = pieces[equal, 0]
    breaks = np.flatnonzero((np.diff(equal) != 1) | (np.diff(values) != 0))
    edges = np.concatenate(([-1], breaks, [len(equal) - 1]))
    return 32 * int(np.diff(edges).max())


def _may_be_filled(image: Image.Image) -> bool:
    """Return whether the last pixels are as grey and as flat as libjpeg fills a missing block."""
    if image.mode == "CMYK":
        return True
    left, top = max(0, image.width - FLAT_PIXELS), max(0, image.height - FLAT_PIXELS)
    corner = np.asarray(image.crop((left, top, image.width, image.height))).astype(int)
    is_flat = bool((corner == corner[-1, -1]).all())
    return is_flat and bool((np.abs(corner - GREY) <= NEAR_GREY).all())


def _decode_several_scans(
    content: bytes, structure: JpegStructure, side: int | None
) -> tuple[Image.Image, tuple[str, ...]]:
    """Decode twice, the second time with noise behind each scan, which a complete scan ignores."""
    image = _open(io.BytesIO(content if structure.complete else content + END), side)
    image.load()
    missing = missing_bits(structure)
    if missing:
        raise damage(f"scans are missing at its end: {missing}")
    if len(set(structure.scan_headers)) < len(structure.scans):  # a scan is repeated
        return image, (DAMAGED,)
    pieces, position = [], 0
    for _, end in structure.scans:
        pieces += [content[position:end], NOISE]
        position = end
    noisy = _open(io.BytesIO(b"".join([*pieces, content[position:], END])), side)
    if noisy.tobytes() != image.tobytes():
        raise damage("one of its scans ends before the last pixels")
    damaged = any(_longest_run(content, start, end) >= LONG_RUN for start, end in structure.scans)
    return image, (DAMAGED,) if damaged else ()


def _check_restarts(structure: JpegStructure) -> None:
    """Compare number and order of the restart markers with the size of the image."""
    if not structure.height:  # written behind the scan, which is rare
        return
    restarts = structure.restarts
    expected = 0
    if structure.restart_interval:
        wide = 8 * max(h for h, _ in structure.sampling)
        high = 8 * max(v for _, v in structure.sampling)
        if len(structure.sampling) == 1:  # a block is 8 x 8 pixels, whatever is declared
            wide = high = 8
        blocks = -(-structure.width // wide) * -(-structure.height // high)
        expected = -(-blocks // structure.restart_interval) - 1
    in_order = np.array_equal(restarts, np.arange(len(restarts)) % 8)
    if len(restarts) != expected or not in_order:
        raise damage(f"its scan has {len(restarts)} restart markers, {expected} in order needed")


def _ink(image: Image.Image, adobe: bool) -> tuple[Image.Image, tuple[str, ...]]:
    """Return CMYK values as ink, 0 for none; Pillow gives those of Adobe's files.

    Adobe stores the values inverted and marks them. A page that would be nearly all black ink is
    read the other way, with a flag.
    """
    if not adobe:
        image = ImageChops.invert(image)
    black = np.asarray(image.getchannel("K").resize((64, 64))).mean() / 255
    if black <= MUCH_BLACK:
        return image, (ASSUMED_COLOUR,) if black > 0.5 else ()
    return ImageChops.invert(image), (ASSUMED_COLOUR,)
