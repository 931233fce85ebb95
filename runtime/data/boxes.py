"""Reads boxes around cells, in YOLO's text files and in VOC's XML files, as labels of fields.

A field is positive if it has a box of a positive class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from xml.parsers import expat

from ...errors import DataError
from ..regular_files import read_regular_file
from .folder_scan import FolderScan, named
from .label_reading import NEGATIVE, POSITIVE, UNCLEAR, LabelReading, label_meaning, read_labels
from .layout_types import BLAST, HEALTHY, ImageFile, LayoutFiles, part_of_path
from .yolo_classes import MAX_BYTES, read_text, yolo_classes

YOLO, VOC = "yolo", "voc"

Boxes = Mapping[Path, frozenset[str]]  # file of boxes -> classes of its boxes


def find_yolo(scan: FolderScan, positive: Sequence[str] = ()) -> LayoutFiles | None:
    """Find fields with a text file of boxes each (``images/a.jpg`` and ``labels/a.txt``).

    Parameters
    ----------
    scan : FolderScan
    positive : sequence of str
        As `read_labels`.

    Raises
    ------
    DataError
        If the names of the classes are missing or not clear, or a file of boxes is damaged.
    """
    texts = _by_lower_case(path for path in scan.others if path.suffix.lower() == ".txt")
    pairs = {image: path for image in scan.images if (path := _yolo_file(image, texts))}
    if not pairs or _are_in_classes(scan):
        return None
    names = yolo_classes(scan)
    if not names and not any(path.parent.name.lower() == "labels" for path in pairs.values()):
        return None  # text beside images, which may be anything
    if not names:
        raise DataError(
            f"{scan.root} has boxes in text files, but no names of their classes",
            fix="put data.yaml or classes.txt into the folder",
        )
    boxes = {path: _yolo_boxes(path, names) for path in pairs.values()}
    return _fields(scan, pairs, boxes, sorted(names.values()), positive)


def find_voc(scan: FolderScan, positive: Sequence[str] = ()) -> LayoutFiles | None:
    """Find fields with an XML file of boxes each (``JPEGImages/a.jpg``, ``Annotations/a.xml``).

    The parameters and errors are those of `find_yolo`.
    """
    files = _by_lower_case(path for path in scan.others if path.suffix.lower() == ".xml")
    folders = sorted({path.parent for path in files.values()})
    pairs = {image: path for image in scan.images if (path := _voc_file(image, files, folders))}
    if not pairs or _are_in_classes(scan):
        return None
    boxes = {path: _voc_boxes(path) for path in pairs.values()}
    classes = sorted(set().union(*boxes.values()))
    if not classes:
        raise DataError(f"no XML file of {scan.root} has a box", fix="export the boxes again")
    return _fields(scan, pairs, boxes, classes, positive)


def _fields(
    scan: FolderScan,
    pairs: Mapping[Path, Path],
    boxes: Boxes,
    classes: Sequence[str],
    positive: Sequence[str],
) -> LayoutFiles:
    """Return the fields with their labels."""
    reading = read_labels(scan.root, classes, positive, of_boxes=True)
    ill = set(reading.positive)
    files = [
        ImageFile(
            image,
            BLAST if boxes[path] & ill else HEALTHY,
            image.relative_to(scan.root).as_posix(),
            part_of_path(image, scan.root),
        )
        for image, path in sorted(pairs.items())
    ]
    notes = [f"a field is '{BLAST}' if it has a box of {' or '.join(sorted(ill))}"]
    if empty := [image for image, path in sorted(pairs.items()) if not boxes[path]]:
        notes.append(
            f"{len(empty)} fields without any box count as '{HEALTHY}': {named(empty, scan.root)}"
        )
    if without := [image for image in scan.images if image not in pairs]:
        notes.append(
            f"{len(without)} images without a file of boxes left out: {named(without, scan.root)}"
        )
    return LayoutFiles(files, LabelReading(reading.meanings), notes=notes)


def _are_in_classes(scan: FolderScan) -> bool:
    """Return whether the images lie in folders of classes: then the folders are the labels."""
    folders = {name for image in scan.images for name in image.relative_to(scan.root).parts[:-1]}
    sides = {label_meaning(name).meaning for name in folders} - {UNCLEAR}
    return sides == {POSITIVE, NEGATIVE}


def _yolo_file(image: Path, texts: Mapping[str, Path]) -> Path | None:
    """Return the text file of an image: beside it, or in the folder labels for images."""
    parts = list(image.with_suffix(".txt").parts)
    candidates = [Path(*parts)]
    for index in range(len(parts) - 2, -1, -1):
        if parts[index].lower() == "images":
            candidates.append(Path(*parts[:index], "labels", *parts[index + 1 :]))
            break
    candidates.append(image.parent / "labels" / f"{image.stem}.txt")
    return _first_file(candidates, texts)


def _voc_file(image: Path, files: Mapping[str, Path], folders: Sequence[Path]) -> Path | None:
    """Return the XML file of an image: beside it, or in a folder of its folder or beside it."""
    near = (image.parent, image.parent.parent)
    names = [image.parent, *(path for path in folders if path.parent in near)]
    candidates = (folder / f"{image.stem}.xml" for folder in names)
    return _first_file(candidates, files)


def _by_lower_case(paths: Iterable[Path]) -> dict[str, Path]:
    """Return files by their paths in lower case: ``Labels/a.TXT`` belongs to ``images/a.jpg``."""
    return {str(path).lower(): path for path in paths}


def _first_file(candidates: Iterable[Path], files: Mapping[str, Path]) -> Path | None:
    return next((file for path in candidates if (file := files.get(str(path).lower()))), None)


def _yolo_boxes(path: Path, names: Mapping[int, str]) -> frozenset[str]:
    """Return the classes of the boxes in a text file."""
    classes = set()
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
        classes.add(name)
    return frozenset(classes)


def _voc_boxes(path: Path) -> frozenset[str]:
    """Return the classes of the boxes in an XML file; refuse declarations of types and entities.

    An entity can grow to gigabytes, or name another file.
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
    return frozenset(filter(None, (name.strip() for name in reader.names)))


def _refuse_doctype(path: Path) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        raise DataError(
            f"{path} declares a document type, which may hold entities",
            fix="export the boxes again, or remove the lines with <!DOCTYPE and <!ENTITY",
        )

    return refuse


class _VocReader:
    """Collects the texts of ``annotation/object/name``."""

    def __init__(self) -> None:
        self.root = ""
        self.names: list[str] = []
        self._path: list[str] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Enter an element."""
        self.root = self.root or name
        self._path.append(name)
        if self._path[1:] == ["object", "name"]:
            self.names.append("")

    def end(self, name: str) -> None:
        """Leave an element."""
        self._path.pop()

    def text(self, text: str) -> None:
        """Take a piece of text."""
        if self._path[1:] == ["object", "name"]:
            self.names[-1] += text
