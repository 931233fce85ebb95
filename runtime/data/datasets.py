"""Reads a data set's folder: the path, label and group of each image; decodes no pixels.

`alledge.train` splits the images into folds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import DataError, ImageError, UsageError, unknown_name
from ..imaging import read_header
from .boxes import VOC, YOLO, find_voc, find_yolo
from .cell_kinds import read_cell_labels
from .cell_truth import TrueCell, cells_of_boxes
from .centroids import read_centroids
from .class_folders import find_class_folders, refuse_auxiliary_folders
from .folder_scan import FolderScan, scan_folder
from .label_reading import LabelReading, read_labels
from .label_table import find_table, tables_of
from .layout_types import BLAST, CELL, CLASS_FOLDERS_FIX, HEALTHY, LayoutFiles, ReadOptions
from .named_layouts import ALL_IDB1, ALL_IDB2, C_NMC, find_cnmc, find_idb

GENERATED_MARK = "phantom.json"  # the file that alledge.train.phantom writes beside the images
ERRORS_SHOWN = 3


@dataclass(frozen=True)
class Sample:
    """One image of a data set.

    Parameters
    ----------
    path : Path
    label : str
    group : str
        A split never separates the images of a group. It is the subject if the file name
        contains it, else the image itself.
    camera : str
        EXIF model, ``"unknown"`` without one.
    width, height : int
        Pixels, upright.
    centroids : tuple of (float, float)
        Centroids (x, y) of the blasts in pixels, if the data set has them.
    part : {"", "train", "validation", "test"}
        Part of the split that the data set comes with; empty without one.
    cells : tuple of TrueCell, optional
        The cells that the data set names, if it was read for the task ``cell``. None if it names
        none of this image.
    """

    path: Path
    label: str
    group: str
    camera: str
    width: int
    height: int
    centroids: tuple[tuple[float, float], ...] = ()
    part: str = ""
    cells: tuple[TrueCell, ...] | None = None


@dataclass(frozen=True)
class Dataset:
    """The images of a data set.

    Parameters
    ----------
    root : Path
    layout : str
        A key of `LAYOUTS`, or ``table`` for a file of labels.
    labels : tuple of str
        In the order of the model's outputs, negative labels first.
    positive : tuple of str
        The labels that mean leukaemia.
    samples : tuple of Sample
        In the order of their paths.
    generated : bool
        True if `alledge.train.phantom` generated the images. Reports say so.
    subjects : bool
        True if the groups are people.
    unreadable : dict of Path to str
        Images that cannot be opened, with the reason.
    reading : LabelReading
        What the labels of the files mean, and why.
    notes : tuple of str
        What was left out of the folder, and how it was read.
    options : ReadOptions
        The options that the data set was read with.
    labels_digest : str, optional
        ``sha256:…`` of the file of labels.
    """

    root: Path
    layout: str
    labels: tuple[str, ...]
    positive: tuple[str, ...]
    samples: tuple[Sample, ...]
    generated: bool = False
    subjects: bool = False
    unreadable: dict[Path, str] = field(default_factory=dict)
    reading: LabelReading = field(default_factory=lambda: LabelReading(()))
    notes: tuple[str, ...] = ()
    options: ReadOptions = field(default_factory=ReadOptions)
    labels_digest: str | None = None

    @property
    def name(self) -> str:
        """The name in reports: the layout, and whether the images were generated."""
        return f"{self.layout}, generated" if self.generated else self.layout

    @property
    def has_given_split(self) -> bool:
        """Whether the data set comes with a split: folders ``train`` and ``test``, for example."""
        return len({sample.part for sample in self.samples} - {""}) > 1

    def description(self) -> list[str]:
        """Return the layout, what the labels mean and why, and what was left out, line by line."""
        return [f"layout: {self.layout}", *self.reading.lines(), *self.notes]

    def relative(self, sample: Sample) -> str:
        """Return the path of a sample inside the data set, with forward slashes."""
        return sample.path.relative_to(self.root).as_posix()

    def fingerprint(self) -> str:
        """Return ``sha256:…`` over the relative path, label and bytes of every image."""
        total = hashlib.sha256()
        for sample in self.samples:
            content = hashlib.sha256(sample.path.read_bytes()).hexdigest()
            total.update(
                f"{self.relative(sample)}\0{sample.label}\0{content}\n".encode(
                    "utf-8", "surrogateescape"
                )
            )
        return f"sha256:{total.hexdigest()}"


FOLDERS = "folders"
# Tried in this order; the first that finds images is the layout.
LAYOUTS: dict[str, Callable[[FolderScan, ReadOptions], LayoutFiles | None]] = {
    ALL_IDB1: lambda scan, options: find_idb(scan, ALL_IDB1),
    ALL_IDB2: lambda scan, options: find_idb(scan, ALL_IDB2),
    C_NMC: lambda scan, options: find_cnmc(scan),
    YOLO: lambda scan, options: find_yolo(scan, options),
    VOC: lambda scan, options: find_voc(scan, options),
    FOLDERS: lambda scan, options: find_class_folders(scan),
}
TABLE = "table"  # the layout with --labels FILE
NAMED_LAYOUTS = (ALL_IDB1, ALL_IDB2, C_NMC)


def read_dataset(
    root: str | Path,
    options: ReadOptions | None = None,
    *,
    skip_unreadable: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> Dataset:
    """Read the folder of a data set.

    Parameters
    ----------
    root : str or Path
        The folder, or its parent.
    options : ReadOptions, optional
    skip_unreadable : bool
        Leave images out that cannot be opened, and list them in `Dataset.unreadable`. By default
        they are an error.
    progress : callable, optional
        Takes the stage, the number of headers read and their number, after each.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If the folder does not exist, no layout fits, an image cannot be opened, no image can be
        opened, a folder is no class, a class has no image, it is not clear which labels mean
        leukaemia, or not both healthy and positive classes exist.
        If cells are read, also if it is not clear what a class of cells means, or a box has no
        position or another image.
    UsageError
        If the layout or a label of `options.positive` is unknown.

    Examples
    --------
    >>> dataset = read_dataset("TRAIN/ALL_IDB1")  # doctest: +SKIP
    >>> dataset.layout, dataset.labels, len(dataset.samples)  # doctest: +SKIP
    ('all-idb1', ('healthy', 'blast'), 108)
    """
    root, options = Path(root), options or ReadOptions()
    if not root.is_dir():
        raise DataError(f"there is no folder {root}", fix="name the folder of the data set")
    if options.layout is not None and options.layout not in LAYOUTS:
        raise unknown_name("layout", options.layout, LAYOUTS)
    if options.layout is not None and options.labels_file is not None:
        raise UsageError("--layout and --labels are both given", fix="leave one of them out")
    scan = scan_folder(root)
    layout, found = _find_layout(scan, options)
    reading, labels = _read_labels(root, layout, found, options)
    return _read_headers(scan, layout, found, reading, labels, options, skip_unreadable, progress)


def _find_layout(scan: FolderScan, options: ReadOptions) -> tuple[str, LayoutFiles]:
    """Return the layout that fits, and its files."""
    if options.labels_file is not None:
        refuse_auxiliary_folders(scan)
        return TABLE, find_table(scan, options.labels_file)
    hint = _unread_labels(scan)
    for name in [options.layout] if options.layout else LAYOUTS:
        try:
            found = LAYOUTS[name](scan, options)
        except DataError as error:
            if name != FOLDERS or options.layout or not hint:
                raise
            raise DataError(
                error.what, allowed=error.allowed, fix=f"{hint}; otherwise {error.fix}"
            ) from None
        # a few files with the names of a set, in a folder of other images, are not the set
        if found and (
            options.layout or name not in NAMED_LAYOUTS or 2 * len(found.files) >= len(scan.images)
        ):
            return name, found
    raise DataError(
        f"{scan.root} has no images in a layout that alledge knows ({len(scan.images)} images)",
        allowed=options.layout or (*LAYOUTS, "--labels FILE.csv"),
        fix=hint or f"{CLASS_FOLDERS_FIX}; or name their labels with --labels FILE.csv",
    )


def _unread_labels(scan: FolderScan) -> str:
    """Return how to use a file that may hold the labels; empty if there is none."""
    if tables := tables_of(scan):
        return f"if {tables[0].name} holds the labels: --labels {tables[0]}"
    if any("coco" in path.name.lower() and path.suffix == ".json" for path in scan.others):
        return "export the boxes as YOLO or VOC; COCO is not read"
    return ""


def _read_labels(
    root: Path, layout: str, found: LayoutFiles, options: ReadOptions
) -> tuple[LabelReading, tuple[str, ...]]:
    """Return what the labels mean, and the labels in the order of the model's outputs."""
    present = {file.label for file in found.files}
    if odd := [
        label for label in sorted(present) if label != label.encode(errors="ignore").decode()
    ]:
        raise DataError(f"the class {odd[0]!r} has a name that is not UTF-8", fix="rename it")
    reading = found.reading
    if options.task == CELL:  # other data sets may have the other classes
        reading = reading or read_cell_labels(root, present, options.positive)
        return reading, (HEALTHY, BLAST) if layout in (YOLO, VOC) else reading.labels
    if reading is None or (layout == TABLE and options.positive):
        if len(present) < 2:
            raise DataError(
                f"{root} has only one class, {', '.join(present)}",
                fix="a data set needs images of two classes or more",
            )
        reading = read_labels(root, present, options.positive)
        return reading, reading.labels
    labels = reading.labels if layout not in (YOLO, VOC) else (HEALTHY, BLAST)
    if missing := [label for label in labels if label not in present]:
        raise DataError(
            f"{root} has no image of the class {', '.join(missing)}",
            fix="a data set needs images of every class",
        )
    if options.positive and layout in NAMED_LAYOUTS:
        for name in options.positive:
            if name not in labels:
                raise unknown_name("label", name, labels)
        if tuple(options.positive) != reading.positive:
            raise UsageError(
                f"the file names of {layout} say which images are positive: "
                f"{', '.join(reading.positive)}",
                fix="leave --positive out",
            )
    return reading, labels


def _read_headers(
    scan: FolderScan,
    layout: str,
    found: LayoutFiles,
    reading: LabelReading,
    labels: tuple[str, ...],
    options: ReadOptions,
    skip_unreadable: bool,
    progress: Callable[[str, int, int], None] | None,
) -> Dataset:
    samples: list[Sample] = []
    unreadable: dict[Path, str] = {}
    narrow = 0
    for index, (path, label, group, part, boxes) in enumerate(found.files):
        try:
            header = read_header(path)
        except ImageError as error:
            unreadable[path] = error.what
        else:
            cells = None
            if boxes is not None and options.task == CELL:
                cells, dropped = cells_of_boxes(boxes, (header.width, header.height), path)
                narrow += dropped
            samples.append(
                Sample(
                    path=path,
                    label=label,
                    group=group,
                    camera=header.camera,
                    width=header.width,
                    height=header.height,
                    centroids=read_centroids(path, (header.width, header.height)),
                    part=part,
                    cells=cells,
                )
            )
        if progress:
            progress("reading headers", index + 1, len(found.files))
    if unreadable and not (skip_unreadable and samples):
        errors = list(unreadable.values())
        more = f" (and {len(errors) - ERRORS_SHOWN} more)" if len(errors) > ERRORS_SHOWN else ""
        raise DataError(
            f"{len(errors)} of {len(found.files)} images cannot be opened: "
            f"{'; '.join(errors[:ERRORS_SHOWN])}{more}",
            fix="replace or remove them",
        )
    set_folder = samples[0].path.parent.parent
    is_box_layout = layout in (YOLO, VOC)
    return Dataset(
        root=scan.root,
        layout=layout,
        labels=labels,
        positive=(BLAST,) if is_box_layout else reading.positive,
        samples=tuple(samples),
        generated=any((folder / GENERATED_MARK).is_file() for folder in (scan.root, set_folder)),
        subjects=found.subjects,
        unreadable=unreadable,
        reading=reading,
        notes=(
            *found.notes,
            *scan.notes(),
            *([f"{narrow} boxes narrower than 2 pixels are left out"] if narrow else []),
        ),
        options=options,
        labels_digest=_digest(options.labels_file),
    )


def _digest(path: Path | None) -> str | None:
    return None if path is None else f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
