"""Reads files of boxes: YOLO's text files and VOC's XML files."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from xml.parsers import expat

from ...errors import DataError
from ..regular_files import read_regular_file
from .cell_truth import Box
from .yolo_classes import MAX_BYTES, read_text

LEAST_POLYGON = 6  # numbers: three corners; fewer are a box, and perhaps its probability


def read_yolo_boxes(path: Path, names: Mapping[int, str]) -> tuple[Box, ...]:
    """Return the boxes in a text file; of a polygon, the box around it.

    Parameters
    ----------
    path : Path
    names : mapping of int to str
        Names of the classes by their numbers.

    Raises
    ------
    DataError
        If it cannot be read, or a line is no box.
    """
    boxes = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        fields = line.split()
        if not fields:
            continue
        try:
            values = [float(value) for value in fields[1:]]
            name = names[int(fields[0])]
        except (ValueError, KeyError):
            values, name = [], ""
        if len(values) < 4 or not all(-0.01 <= value <= 1.01 for value in values):
            known = ", ".join(f"{key} {value}" for key, value in sorted(names.items()))
            raise DataError(
                f"line {number} of {path} is no box: {line[:60]!r}",
                allowed=f"CLASS X Y WIDTH HEIGHT, with positions from 0 to 1; classes: {known}",
            )
        if len(values) >= LEAST_POLYGON:
            boxes.append(_box(name, values[0::2], values[1::2], relative=True))
        else:
            x, y, width, height = values[:4]
            boxes.append(Box(name, x, y, width, height, relative=True))
    return tuple(boxes)


def read_voc_boxes(path: Path) -> tuple[Box, ...]:
    """Return the boxes in an XML file; refuse declarations of types and entities.

    An entity can grow to gigabytes, or name another file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DataError
        If it cannot be read, or is no file of boxes.
    """
    content = read_regular_file(path, limit_bytes=MAX_BYTES, error=DataError)
    reader = _VocReader()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype(path)
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # or an unknown encoding
        raise DataError(f"{path} is damaged: {error}", fix="export the boxes again") from None
    if reader.root != "annotation":
        raise DataError(f"{path} holds no boxes of VOC: its root is {reader.root!r}")
    width, height = (_number(reader.size.get(side, "")) for side in ("width", "height"))
    size = (int(width), int(height)) if math.isfinite(width + height) else (0, 0)
    return tuple(
        _box(
            row["name"].strip(),
            [_number(row.get(side, "")) for side in ("xmin", "xmax")],
            [_number(row.get(side, "")) for side in ("ymin", "ymax")],
            relative=False,
            image_size=size,
        )
        for row in reader.objects
        if row.get("name", "").strip()
    )


def _box(
    name: str,
    xs: list[float],
    ys: list[float],
    *,
    relative: bool,
    image_size: tuple[int, int] = (0, 0),
) -> Box:
    """Return the box around positions."""
    left, right, top, bottom = min(xs), max(xs), min(ys), max(ys)
    return Box(
        name,
        (left + right) / 2,
        (top + bottom) / 2,
        right - left,
        bottom - top,
        relative,
        image_size,
    )


def _number(text: str) -> float:
    """Return a number; NaN if it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _refuse_doctype(path: Path) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        raise DataError(
            f"{path} declares a document type, which may hold entities",
            fix="export the boxes again, or remove the lines with <!DOCTYPE and <!ENTITY",
        )

    return refuse


class _VocReader:
    """Collects the texts of ``annotation/size`` and ``annotation/object``.

    `objects` has the texts of each object: its name, and the sides of its box.
    """

    def __init__(self) -> None:
        self.root = ""
        self.size: dict[str, str] = {}
        self.objects: list[dict[str, str]] = []
        self._path: list[str] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Enter an element."""
        self.root = self.root or name
        self._path.append(name)
        if self._path[1:] == ["object"]:
            self.objects.append({})

    def end(self, name: str) -> None:
        """Leave an element."""
        self._path.pop()

    def text(self, text: str) -> None:
        """Take a piece of text."""
        match self._path[1:]:
            case ["object", "name" as key] | ["object", "bndbox", key]:
                self.objects[-1][key] = self.objects[-1].get(key, "") + text
            case ["size", key]:
                self.size[key] = self.size.get(key, "") + text
