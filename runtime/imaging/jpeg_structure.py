"""Reads the markers of a JPEG file: its frame, its tables and where its scans begin and end."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .opening_errors import damage

# Scans of a progressive JPEG. A usual file has about ten; each costs a pass over all pixels.
MAX_SCANS = 100
# The number of codes of each length in the table that encoders use unless they optimize it.
USUAL_TABLE = bytes.fromhex("0002010303020403050504040000017d")
FILL_BYTES = 16
BASELINE, PROGRESSIVE = (0xC0, 0xC1), (0xC2,)
_SEGMENTS = {0xC4, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)}  # may follow a scan


@dataclass
class JpegStructure:
    """What the markers of a JPEG say; positions are byte offsets in the file.

    `restarts` are the numbers of the restart markers in the first scan.
    """

    frame: int = 0  # the number of the SOF marker
    precision: int = 8
    width: int = 0
    height: int = 0
    components: list[int] = field(default_factory=list)  # their identifiers
    sampling: list[tuple[int, int]] = field(default_factory=list)
    restart_interval: int = 0  # in blocks of all components
    adobe: bool = False
    usual_tables: bool = False
    scans: list[tuple[int, int]] = field(default_factory=list)
    restarts: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    scan_headers: list[bytes] = field(default_factory=list)
    complete: bool = False  # whether an end marker follows the last scan


def _markers(content: bytes, start: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the positions of the bytes 255 from `start` on, and the bytes that follow them."""
    values = np.frombuffer(content, np.uint8, offset=start)
    positions = np.flatnonzero(values[:-1] == 0xFF)
    return positions, values[positions + 1]


def read_structure(content: bytes) -> JpegStructure:
    """Read all markers; a scan that ends with an impossible marker is damaged."""
    structure = JpegStructure()
    position = 2
    while True:
        position = content.find(b"\xff", position)
        if position < 0 or position + 2 > len(content):
            return structure
        marker = content[position + 1]
        position += 2 if marker != 0xFF else 1
        if marker == 0xD9:
            structure.complete = bool(structure.scans)
            return structure
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:
            continue
        if structure.scans and marker not in _SEGMENTS:
            raise damage("its scan is interrupted by bytes that are no picture data")
        if position + 2 > len(content):
            return structure
        length = struct.unpack_from(">H", content, position)[0]
        _read_segment(structure, marker, content[position + 2 : position + length])
        position += length
        if marker == 0xDA:
            structure.scan_headers.append(content[position - length : position])
            if len(structure.scans) > MAX_SCANS:  # each costs a search of the rest of the file
                structure.scans += [(0, 0)] * (content.count(b"\xff\xda") - len(structure.scans))
                return structure
            position = _read_scan(structure, content, position)


def missing_bits(structure: JpegStructure) -> str:
    """Return what the scans of a file of several scans do not give; empty if they give all.

    A scan gives some coefficients of some colours, without their lowest bits if it is not the last
    for them.

    References
    ----------
    ITU-T T.81, B.2.3: Ns, the components and their tables, Ss, Se, Ah and Al.
    """
    low_bits = {component: [1] * 64 for component in structure.components}
    for header in structure.scan_headers:
        body = header[2:]
        count = body[0] if body else 0
        if len(body) < 4 + 2 * count:
            continue
        first, last, bits = body[1 + 2 * count : 4 + 2 * count]
        if structure.frame in BASELINE:
            first, last, bits = 0, 63, 0
        for component in body[1 : 1 + 2 * count : 2]:
            if component in low_bits and first <= last < 64:
                low_bits[component][first : last + 1] = [bits & 15] * (last + 1 - first)
    incomplete = [number for number, bits in enumerate(low_bits.values(), 1) if any(bits)]
    return f"colours {incomplete} are not complete" if incomplete else ""


def _read_scan(structure: JpegStructure, content: bytes, start: int) -> int:
    """Add a scan and return its end: the first marker that is no restart marker."""
    if start >= len(content):
        structure.scans.append((start, len(content)))
        return len(content)
    positions, following = _markers(content, start)
    if (following == 0xFF).sum() and _longest_fill(positions, following) > FILL_BYTES:
        raise damage(f"its scan has a run of more than {FILL_BYTES} bytes of 255")
    inside = (following == 0) | (following == 0xFF) | ((following >= 0xD0) & (following <= 0xD7))
    outside = positions[~inside]
    end = start + int(outside[0]) if len(outside) else len(content)
    if not structure.scans:
        numbers = following[: np.searchsorted(positions, end - start)]
        structure.restarts = numbers[(numbers >= 0xD0) & (numbers <= 0xD7)] - 0xD0
    structure.scans.append((start, end))
    if structure.frame in BASELINE and len(outside):
        marker = content[end + 1]
        if marker != 0xD9 and marker not in _SEGMENTS:
            raise damage("its scan is interrupted by bytes that are no picture data")
    return end


def _longest_fill(positions: NDArray[np.int64], following: NDArray[np.uint8]) -> int:
    """Return the length of the longest run of bytes 255."""
    fill = positions[following == 0xFF]
    breaks = np.flatnonzero(np.diff(fill) != 1)
    edges = np.concatenate(([-1], breaks, [len(fill) - 1]))
    return int(np.diff(edges).max())


def _read_segment(structure: JpegStructure, marker: int, body: bytes) -> None:
    if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(body) >= 6:
        structure.frame = marker
        structure.precision, structure.height, structure.width, parts = struct.unpack_from(
            ">BHHB", body
        )
        structure.components = list(body[6 : 6 + 3 * parts : 3])
        structure.sampling = [
            (body[6 + 3 * part + 1] >> 4, body[6 + 3 * part + 1] & 15)
            for part in range(parts)
            if 6 + 3 * part + 1 < len(body)
        ]
    elif marker == 0xDD and len(body) >= 2:
        structure.restart_interval = struct.unpack_from(">H", body)[0]
    elif marker == 0xEE and body.startswith(b"Adobe"):
        structure.adobe = True
    elif marker == 0xC4 and USUAL_TABLE in body:
        structure.usual_tables = True
