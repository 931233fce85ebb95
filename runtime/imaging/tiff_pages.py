"""Reads the tags of every page of a TIFF file, without Pillow and without decoding a pixel."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from .opening_errors import damage

MAX_PAGES = 2000
MAX_VALUES = 64  # values of a tag that are read; longer tags are palettes, offsets and profiles
MAX_TEXT = 4_000_000  # bytes of a description or a profile

WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
SUBFILE_TYPE, DESCRIPTION, SAMPLES, MAX_SAMPLE, PLANAR = 254, 270, 277, 281, 284
TILE_WIDTH, SUB_IFDS, EXTRA_SAMPLES, SAMPLE_FORMAT, SMAX_SAMPLE = 322, 330, 338, 339, 341
MAKE, MODEL, ORIENTATION, ICC_PROFILE = 271, 272, 274, 34675
_WANTED = {
    WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, SUBFILE_TYPE,
    DESCRIPTION, SAMPLES, MAX_SAMPLE, PLANAR,
    TILE_WIDTH, SUB_IFDS, EXTRA_SAMPLES, SAMPLE_FORMAT, SMAX_SAMPLE,
    MAKE, MODEL, ORIENTATION, ICC_PROFILE,
}  # fmt: skip
# struct code and bytes of a value, by TIFF field type
_TYPES = {
    1: ("B", 1), 2: ("s", 1), 3: ("H", 2), 4: ("I", 4), 6: ("b", 1), 7: ("s", 1), 8: ("h", 2),
    9: ("i", 4), 11: ("f", 4), 12: ("d", 8), 13: ("I", 4), 16: ("Q", 8), 17: ("q", 8),
    18: ("Q", 8),
}  # fmt: skip


@dataclass(frozen=True)
class TiffPage:
    """What the tags of a page say about its pixels.

    Parameters
    ----------
    index : int
        Number of the page in the file; of a page inside another page, that of the outer page.
    inner : int
        Number of the page inside the outer page (tag SubIFDs), or -1.
    width, height : int
    bits : tuple of int
        Bits of each sample of a pixel.
    sample_format : int
        1 unsigned, 2 signed, 3 floating point; -1 if the samples of a pixel differ.
    photometric : int
        0 white is zero, 1 black is zero, 2 RGB, 3 palette, 5 CMYK, 6 YCbCr; others are rare.
        -1 if the file does not say it.
    reversed_bits : bool
        Whether the first bit of a byte is its lowest.
    planar : bool
        Whether each colour is stored as a plane of its own.
    compression : int
    extra_samples : tuple of int
        Meaning of the samples beyond the colours: 1 and 2 are alpha.
    reduced : bool
        Whether the page is declared to be a reduced copy or a mask of another.
    maximum : int or None
        The highest sample value that the tags declare.
    tile_width : int
        0 if the page is stored in strips.
    description, make, model : str
    orientation : int
        As in EXIF, 1 to 8.
    profile : bytes
        Embedded ICC profile, empty if there is none.
    """

    index: int
    inner: int
    width: int
    height: int
    bits: tuple[int, ...]
    sample_format: int
    photometric: int
    reversed_bits: bool
    planar: bool
    compression: int
    extra_samples: tuple[int, ...]
    reduced: bool
    maximum: int | None
    tile_width: int
    description: str
    make: str
    model: str
    orientation: int
    profile: bytes

    @property
    def samples(self) -> int:
        """Samples of a pixel."""
        return len(self.bits)

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


def read_pages(file: BinaryIO) -> list[TiffPage]:
    """Return the pages of a TIFF or BigTIFF file, and the pages inside them.

    Parameters
    ----------
    file : binary file
        Open for reading; its position is changed.

    Returns
    -------
    list of TiffPage

    Raises
    ------
    ImageError
        If the file has no page, or a directory of tags is damaged.
    """
    try:
        return _Reader(file).pages()
    except (struct.error, OverflowError, ValueError, OSError):
        raise damage("its directory of TIFF tags is damaged") from None


class _Reader:
    """Walks the directories of one TIFF file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.seek(0)
        start = file.read(16)
        self._order = "<" if start[:2] == b"II" else ">"
        self._big = start[2:4] in (b"+\0", b"\0+")
        self._first = struct.unpack_from(self._order + ("8xQ" if self._big else "4xI"), start)[0]
        self._offsets: set[int] = set()

    def pages(self) -> list[TiffPage]:
        pages: list[TiffPage] = []
        offset, index = self._first, 0
        while offset and offset not in self._offsets and index < MAX_PAGES:
            try:
                tags, following = self._directory(offset)
            except struct.error:
                if pages:  # the pages before are whole
                    break
                raise
            pages.append(_page(tags, index, -1))
            for inner, at in enumerate(tags.get(SUB_IFDS, ())):
                if isinstance(at, int) and at not in self._offsets:
                    pages.append(_page(self._directory(at)[0], index, inner))
            offset, index = following, index + 1
        if not pages:
            raise damage("it has no page")
        return pages

    def _directory(self, offset: int) -> tuple[dict[int, tuple[int | float | bytes, ...]], int]:
        """Return the wanted tags of the directory at an offset, and the offset of the next."""
        self._offsets.add(offset)
        self._file.seek(offset)
        count = self._unpack("Q" if self._big else "H", 8 if self._big else 2)[0]
        size = 20 if self._big else 12
        if count > 4096:
            raise struct.error("too many tags")
        block = self._file.read(count * size + (8 if self._big else 4))
        tags: dict[int, tuple[int | float | bytes, ...]] = {}
        for number in range(count):
            tag = struct.unpack_from(self._order + "H", block, number * size)[0]
            if tag in _WANTED:
                tags[tag] = self._values(block[number * size : (number + 1) * size])
        end = block[count * size :]
        if len(end) < (8 if self._big else 4):  # some writers leave out the last offset
            return tags, 0
        return tags, struct.unpack(self._order + ("Q" if self._big else "I"), end)[0]

    def _values(self, entry: bytes) -> tuple[int | float | bytes, ...]:
        kind, count = struct.unpack_from(self._order + ("2xHQ" if self._big else "2xHI"), entry)
        if kind not in _TYPES:
            return ()
        code, size = _TYPES[kind]
        count = min(count, MAX_TEXT if kind in (2, 7) else MAX_VALUES)
        stored = entry[12:] if self._big else entry[8:]
        if count * size > len(stored):
            self._file.seek(struct.unpack(self._order + ("Q" if self._big else "I"), stored)[0])
            stored = self._file.read(count * size)
        return struct.unpack_from(f"{self._order}{count}{code}", stored)

    def _unpack(self, code: str, size: int) -> tuple[int, ...]:
        return struct.unpack(self._order + code, self._file.read(size))


def _page(tags: dict[int, tuple[int | float | bytes, ...]], index: int, inner: int) -> TiffPage:
    """Return a page from its tags, with the defaults of the TIFF specification."""

    def number(tag: int, default: int) -> int:
        value = tags.get(tag) or (default,)
        return int(value[0])

    samples = number(SAMPLES, 1)
    bits = tuple(int(value) for value in tags.get(BITS) or (1,))
    if len(bits) == 1:  # also of files that write one value for all samples
        bits = bits * min(samples, MAX_VALUES)

    def content(tag: int) -> bytes:
        value = tags.get(tag) or (b"",)
        return value[0] if isinstance(value[0], bytes) else b""

    def text(tag: int) -> str:
        return content(tag).decode("utf-8", "replace").replace("\0", " ").strip()

    if samples > len(bits):
        raise ValueError("fewer bits than samples")
    formats = {int(value) for value in tags.get(SAMPLE_FORMAT) or (1,)}
    highest = [int(value) for tag in (MAX_SAMPLE, SMAX_SAMPLE) for value in tags.get(tag) or ()]
    return TiffPage(
        index=index,
        inner=inner,
        width=number(WIDTH, 0),
        height=number(LENGTH, 0),
        bits=bits[: max(1, samples)],
        sample_format=formats.pop() if len(formats) == 1 else -1,
        photometric=number(PHOTOMETRIC, -1),
        reversed_bits=number(FILL_ORDER, 1) == 2,
        planar=number(PLANAR, 1) == 2,
        compression=number(COMPRESSION, 1),
        extra_samples=tuple(int(value) for value in tags.get(EXTRA_SAMPLES) or ()),
        reduced=bool(number(SUBFILE_TYPE, 0) & 0b101),
        maximum=max(highest) if highest and max(highest) > 0 else None,
        tile_width=number(TILE_WIDTH, 0),
        description=text(DESCRIPTION),
        make=text(MAKE),
        model=text(MODEL),
        orientation=number(ORIENTATION, 1),
        profile=content(ICC_PROFILE),
    )
