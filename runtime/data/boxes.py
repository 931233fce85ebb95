"""Reads boxes around cells, in YOLO's text files and in VOC's XML files, as labels of fields.

A field is positive if it has a box of a positive class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...errors import DataError
from .box_files import read_voc_boxes, read_yolo_boxes
from .cell_kinds import read_cell_labels
from .cell_truth import Box
from .folder_scan import FolderScan, named
from .label_reading import NEGATIVE, POSITIVE, UNCLEAR, LabelReading, label_meaning, read_labels
from .layout_types import (
    BLAST,
    CELL,
    HEALTHY,
    ImageFile,
    LayoutFiles,
    ReadOptions,
    part_of_path,
)
from .yolo_classes import yolo_classes

YOLO, VOC = "yolo", "voc"

Boxes = Mapping[Path, tuple[Box, ...]]  # file of boxes -> its boxes


def find_yolo(scan: FolderScan, options: ReadOptions) -> LayoutFiles | None:
    """Find fields with a text file of boxes each (``images/a.jpg`` and ``labels/a.txt``).

    Parameters
    ----------
    scan : FolderScan
    options : ReadOptions

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
    boxes = {path: read_yolo_boxes(path, names) for path in pairs.values()}
    return _fields(scan, pairs, boxes, sorted(names.values()), options)


def find_voc(scan: FolderScan, options: ReadOptions) -> LayoutFiles | None:
    """Find fields with an XML file of boxes each (``JPEGImages/a.jpg``, ``Annotations/a.xml``).

    The parameters and errors are those of `find_yolo`.
    """
    files = _by_lower_case(path for path in scan.others if path.suffix.lower() == ".xml")
    folders = sorted({path.parent for path in files.values()})
    pairs = {image: path for image in scan.images if (path := _voc_file(image, files, folders))}
    if not pairs or _are_in_classes(scan):
        return None
    boxes = {path: read_voc_boxes(path) for path in pairs.values()}
    classes = sorted({box.label for own in boxes.values() for box in own})
    if not classes:
        raise DataError(f"no XML file of {scan.root} has a box", fix="export the boxes again")
    return _fields(scan, pairs, boxes, classes, options)


def _fields(
    scan: FolderScan,
    pairs: Mapping[Path, Path],
    boxes: Boxes,
    classes: Sequence[str],
    options: ReadOptions,
) -> LayoutFiles:
    """Return the fields with their labels."""
    if options.task == CELL:
        reading = read_cell_labels(scan.root, classes, options.positive)
    else:
        reading = read_labels(scan.root, classes, options.positive, of_boxes=True)
    ill = set(reading.positive)
    files = [
        ImageFile(
            image,
            BLAST if any(box.label in ill for box in boxes[path]) else HEALTHY,
            image.relative_to(scan.root).as_posix(),
            part_of_path(image, scan.root),
            boxes[path],
        )
        for image, path in sorted(pairs.items())
    ]
    notes = [f"a field is '{BLAST}' if it has a box of {' or '.join(sorted(ill))}"] if ill else []
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
