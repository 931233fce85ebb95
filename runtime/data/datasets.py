"""Reads a data set's folder: the path, label and group of each image; decodes no pixels.

`alledge.train` splits the images into folds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ...errors import DataError, ImageError, unknown_name
from ..imaging import read_header

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".ppm", ".jp2"}
)
# A class with one of these words in its name is healthy; every other class is positive.
HEALTHY_WORDS = frozenset({"healthy", "normal", "benign", "hem", "negative", "control", "0"})
HEALTHY, BLAST = "healthy", "blast"
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
    """

    path: Path
    label: str
    group: str
    camera: str
    width: int
    height: int
    centroids: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Dataset:
    """The images of a data set.

    Parameters
    ----------
    root : Path
    layout : str
        A key of `LAYOUTS`.
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
    """

    root: Path
    layout: str
    labels: tuple[str, ...]
    positive: tuple[str, ...]
    samples: tuple[Sample, ...]
    generated: bool = False
    subjects: bool = False
    unreadable: dict[Path, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name in reports: the layout, and whether the images were generated."""
        return f"{self.layout}, generated" if self.generated else self.layout

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


class ImageFile(NamedTuple):
    """An image file of a layout, before its header is read."""

    path: Path
    label: str
    group: str


_CNMC = re.compile(r"UID_(H?\d+)_(\d+)_(\d+)_(all|hem)\.bmp$", re.IGNORECASE)
_IDB = re.compile(r"Im(\d+)_([01])\.(jpg|tif)$", re.IGNORECASE)


def _image_paths(folder: Path) -> Iterator[Path]:
    """Yield the image files below a folder in the order of their paths."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() and path.name[0] != ".":
            yield path


def _find_idb(root: Path, folder: str, suffix: str) -> list[ImageFile]:
    """Find ALL-IDB1 or ALL-IDB2, in the root or in one folder of it."""
    parents = [path for path in (root, *sorted(root.iterdir())) if (path / folder).is_dir()]
    files = [
        ImageFile(path, BLAST if match[2] == "1" else HEALTHY, path.stem)
        for parent in parents
        for path in sorted((parent / folder).iterdir())
        if (match := _IDB.match(path.name)) and match[3].lower() == suffix
    ]
    if files and len(parents) > 1:
        raise DataError(
            f"{root} holds several sets of this layout: {', '.join(map(str, parents))}",
            fix=f"name one of them: {parents[0]}",
        )
    return files


def _find_cnmc(root: Path) -> list[ImageFile]:
    return [
        ImageFile(path, BLAST if match[4].lower() == "all" else HEALTHY, match[1].upper())
        for path in _image_paths(root)
        if (match := _CNMC.search(path.name))
    ]


def _find_class_folders(root: Path) -> list[ImageFile]:
    """Find a folder for each class, in the root or in one folder of it."""
    candidates = [
        (parent, {folder.name: list(_image_paths(folder)) for folder in _subfolders(parent)})
        for parent in (root, *_subfolders(root))
    ]
    for parent, classes in candidates:
        if sum(map(bool, classes.values())) > 1:
            _refuse_empty_class(parent, classes)
            return [
                ImageFile(path, label, path.relative_to(root).as_posix())
                for label, paths in classes.items()
                for path in paths
            ]
    # the inner folder comes first, because its message is more specific
    single = [
        (parent, classes) for parent, classes in reversed(candidates) if any(classes.values())
    ]
    for parent, classes in single:
        _refuse_empty_class(parent, classes)
    for parent, classes in single:
        raise DataError(
            f"{parent} has only one class, {next(iter(classes))}",
            allowed="a folder for each of two classes or more",
            fix="a folder per class: DATA/healthy/*.jpg, DATA/blast/*.jpg",
        )
    return []


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0] != "."]


def _refuse_empty_class(parent: Path, classes: dict[str, list[Path]]) -> None:
    if empty := [label for label, paths in classes.items() if not paths]:
        raise DataError(
            f"{parent} has no image of the class {', '.join(empty)}",
            fix=f"put its images into {parent / empty[0]}, or remove the folder if it is no class",
        )


# Tried in this order; the first that finds images is the layout.
LAYOUTS: dict[str, Callable[[Path], list[ImageFile]]] = {
    "all-idb1": partial(_find_idb, folder="im", suffix="jpg"),
    "all-idb2": partial(_find_idb, folder="img", suffix="tif"),
    "c-nmc": _find_cnmc,
    "folders": _find_class_folders,
}


def read_dataset(
    root: str | Path, layout: str | None = None, *, skip_unreadable: bool = False
) -> Dataset:
    """Read the folder of a data set.

    Parameters
    ----------
    root : str or Path
        The folder, or its parent.
    layout : str, optional
        A key of `LAYOUTS`. By default the first layout that fits.
    skip_unreadable : bool
        Leave images out that cannot be opened, and list them in `Dataset.unreadable`. By default
        they are an error.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If the folder does not exist, no layout fits, an image cannot be opened, no image can be
        opened, a class has no image, or not both healthy and positive classes exist.
    UsageError
        If the layout is unknown.

    Examples
    --------
    >>> dataset = read_dataset("TRAIN/ALL_IDB1")  # doctest: +SKIP
    >>> dataset.layout, dataset.labels, len(dataset.samples)  # doctest: +SKIP
    ('all-idb1', ('healthy', 'blast'), 108)
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"there is no folder {root}", fix="name the folder of the data set")
    if layout is not None and layout not in LAYOUTS:
        raise unknown_name("layout", layout, LAYOUTS)
    for name in [layout] if layout else LAYOUTS:
        if files := LAYOUTS[name](root):
            return _read_files(root, name, files, skip_unreadable)
    raise DataError(
        f"{root} has no images in a layout that alledge knows",
        allowed=layout or LAYOUTS,
        fix="use a folder per class: DATA/healthy/*.jpg, DATA/blast/*.jpg",
    )


def _read_files(root: Path, layout: str, files: list[ImageFile], skip_unreadable: bool) -> Dataset:
    labels, positive = _labels(root, layout, {file.label for file in files})
    samples: list[Sample] = []
    unreadable: dict[Path, str] = {}
    for path, label, group in files:
        try:
            header = read_header(path)
        except ImageError as error:
            unreadable[path] = error.what
            continue
        samples.append(
            Sample(path, label, group, header.camera, header.width, header.height, _centroids(path))
        )
    if unreadable and not (skip_unreadable and samples):
        errors = list(unreadable.values())
        more = f" (and {len(errors) - ERRORS_SHOWN} more)" if len(errors) > ERRORS_SHOWN else ""
        raise DataError(
            f"{len(errors)} of {len(files)} images cannot be opened: "
            f"{'; '.join(errors[:ERRORS_SHOWN])}{more}",
            fix="replace or remove them",
        )
    set_folder = samples[0].path.parent.parent
    return Dataset(
        root=root,
        layout=layout,
        labels=labels,
        positive=positive,
        samples=tuple(samples),
        generated=any((folder / GENERATED_MARK).is_file() for folder in (root, set_folder)),
        subjects=layout == "c-nmc",
        unreadable=unreadable,
    )


def _labels(root: Path, layout: str, present: set[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if layout == "folders":
        negative = sorted(name for name in present if _is_healthy(name))
        positive = sorted(present - set(negative))
    else:
        negative, positive = [HEALTHY], [BLAST]
    if missing := sorted({*negative, *positive} - present):
        raise DataError(
            f"{root} has no image of the class {', '.join(missing)}",
            fix="a data set needs images of every class",
        )
    if not negative or not positive:
        raise DataError(
            f"{root} has the classes {', '.join(sorted(present))}: "
            f"{'all' if negative else 'none'} of them mean healthy",
            fix="name the folder of the healthy class 'healthy'",
        )
    return (*negative, *positive), tuple(positive)


def _is_healthy(name: str) -> bool:
    return bool(HEALTHY_WORDS & set(re.findall(r"[a-z0-9]+", name.lower())))


def _centroids(path: Path) -> tuple[tuple[float, float], ...]:
    """Return the blast centroids of an ALL-IDB1 image; empty if it has none."""
    xyc = path.parent.parent / "xyc" / f"{path.stem}.xyc"
    if not xyc.is_file():
        return ()
    rows = (line.split() for line in xyc.read_text(encoding="ascii").splitlines() if line.strip())
    return tuple((float(x), float(y)) for x, y, *_ in rows)
