"""Reads boxes around cells, in YOLO's text files and in VOC's XML files, as labels of fields.

A field is positive if it has a box of a positive class.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from xml.parsers import expat

from ...errors import DataError
from .folder_scan import FolderScan, named
from .label_reading import NEGATIVE, POSITIVE, UNCLEAR, LabelReading, label_meaning, read_labels
from .layout_types import BLAST, HEALTHY, ImageFile, LayoutFiles, part_of_path

YOLO, VOC = "yolo", "voc"
CLASS_FILES = frozenset({"classes.txt", "obj.names", "labels.txt", "_darknet.labels"})
MAX_BYTES = 8 * 2**20  # of a file of boxes

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
    texts = {path for path in scan.others if path.suffix.lower() == ".txt"}
    pairs = {image: path for image in scan.images if (path := _yolo_file(image, texts))}
    if not pairs or _are_in_classes(scan):
        return None
    names = _yolo_classes(scan)
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
    files = {path for path in scan.others if path.suffix.lower() == ".xml"}
    folders = sorted({path.parent for path in files})
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


def _yolo_file(image: Path, texts: set[Path]) -> Path | None:
    """Return the text file of an image: beside it, or in the folder labels for images."""
    parts = list(image.with_suffix(".txt").parts)
    candidates = [Path(*parts)]
    for index in range(len(parts) - 2, -1, -1):
        if parts[index].lower() == "images":
            candidates.append(Path(*parts[:index], "labels", *parts[index + 1 :]))
            break
    candidates.append(image.parent / "labels" / f"{image.stem}.txt")
    return next((path for path in candidates if path in texts), None)


def _voc_file(image: Path, files: set[Path], folders: Sequence[Path]) -> Path | None:
    """Return the XML file of an image: beside it, or in a folder of its folder or beside it."""
    near = (image.parent, image.parent.parent)
    names = [image.parent, *(path for path in folders if path.parent in near)]
    candidates = (folder / f"{image.stem}.xml" for folder in names)
    return next((path for path in candidates if path in files), None)


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} is larger than {MAX_BYTES >> 20} MiB: it holds no boxes")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text", fix="save it as UTF-8") from None


def _yolo_boxes(path: Path, names: Mapping[int, str]) -> frozenset[str]:
    """Return the classes of the boxes in a text file."""
    classes = set()
    for number, line in enumerate(_read_text(path).splitlines(), 1):
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


def _yolo_classes(scan: FolderScan) -> dict[int, str]:
    """Return the names of the classes by their numbers; empty if no file has them."""
    for path in sorted(scan.others, key=lambda path: len(path.parts)):
        if path.suffix.lower() in (".yaml", ".yml"):
            if names := yaml_class_names(_read_text(path)):
                return names
        elif path.name.lower() in CLASS_FILES or path.suffix.lower() == ".names":
            lines = [line.strip() for line in _read_text(path).splitlines()]
            return dict(enumerate(filter(None, lines)))
    return {}


def yaml_class_names(text: str) -> dict[int, str]:
    """Return the names under the key ``names`` of a data.yaml, in any of its usual forms.

    It is read by hand, because a device has no YAML library and the key has four forms.

    Examples
    --------
    >>> yaml_class_names("nc: 2\\nnames: ['blast', 'normal']")
    {0: 'blast', 1: 'normal'}
    """
    match = re.search(r"^names[ \t]*:(.*)$", text, re.MULTILINE)
    if not match:
        return {}
    inline = match[1].split("#")[0].strip()
    rest = text[match.end() :]
    if inline[:1] in ("[", "{"):
        closing = "]" if inline[0] == "[" else "}"
        inside = (inline[1:] + rest).split(closing)[0]
        entries = [entry for entry in re.split(r"[,\n]", inside) if entry.strip()]
    else:
        entries = []
        for line in rest.splitlines():
            if re.match(r"\S", line) and not line.startswith("-"):
                break
            if line.strip() and not line.strip().startswith("#"):
                entries.append(line.strip().removeprefix("-"))
    names = {}
    for number, entry in enumerate(entries):
        key, colon, value = entry.strip().partition(":")
        is_keyed = bool(colon) and key.strip().isdecimal()
        name = (value if is_keyed else entry).split(" #")[0].strip().strip("\"'").strip()
        names[int(key) if is_keyed else number] = name
    return names


def _voc_boxes(path: Path) -> frozenset[str]:
    """Return the classes of the boxes in an XML file; refuse declarations of types and entities.

    An entity can grow to gigabytes, or name another file.
    """
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path} is larger than {MAX_BYTES >> 20} MiB: it holds no boxes")
    reader = _VocReader()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype(path)
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        raise DataError(f"{path} is damaged: {error}", fix="export the boxes again") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
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
