"""Data sets as they lie on disk: what each image is, found by looking; decodes no pixels.

Imports no more than the image path does. Which images go into which fold is `alledge.train`'s.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError, ImageError, unknown_name
from ..imaging import read_header

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".ppm", ".jp2"}
)
# Class names that mean "no leukaemia"; every other class of a folder-per-class set is positive.
HEALTHY_WORDS = frozenset({"healthy", "normal", "benign", "hem", "negative", "control", "0"})
HEALTHY, BLAST = "healthy", "blast"
GENERATED_MARK = "phantom.json"  # what alledge.train.phantom leaves beside the images


@dataclass(frozen=True)
class Sample:
    """One image of a data set.

    Parameters
    ----------
    path : Path
    label : str
    group : str
        Images of one group are never parted by a split: the subject where the name tells it,
        else the image itself.
    camera : str
        EXIF model, ``"unknown"`` where there is none.
    width, height : int
        Pixels, upright.
    centroids : tuple of (float, float)
        Blast centroids in pixels (x, y), where the set has them.
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
    """A data set, read.

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
        In a fixed order, that of their paths.
    generated : bool
        True if `alledge.train.phantom` made it: reports say so.
    subjects : bool
        True if the layout knows subjects, so that groups are people.
    """

    root: Path
    layout: str
    labels: tuple[str, ...]
    positive: tuple[str, ...]
    samples: tuple[Sample, ...]
    generated: bool = False
    subjects: bool = False

    @property
    def name(self) -> str:
        """How reports name it: its layout, and that it was generated."""
        return f"{self.layout}, generated" if self.generated else self.layout

    def relative(self, sample: Sample) -> str:
        """Return the path of a sample inside the data set, with forward slashes."""
        return sample.path.relative_to(self.root).as_posix()

    def fingerprint(self) -> str:
        """Return ``sha256:…`` over every image's path inside the set, label and bytes."""
        total = hashlib.sha256()
        for sample in self.samples:
            content = hashlib.sha256(sample.path.read_bytes()).hexdigest()
            total.update(f"{self.relative(sample)}\0{sample.label}\0{content}\n".encode())
        return f"sha256:{total.hexdigest()}"


Found = tuple[Path, str, str]  # path, label, group
_CNMC = re.compile(r"UID_(H?\d+)_(\d+)_(\d+)_(all|hem)\.bmp$", re.IGNORECASE)
_IDB = re.compile(r"Im(\d+)_([01])\.(jpg|tif)$", re.IGNORECASE)


def _files(folder: Path) -> Iterator[Path]:
    """Yield image files below a folder in the order of their names; brackets do not matter."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file() and path.name[0] != ".":
            yield path


def _idb(folder: str, suffix: str) -> Callable[[Path], list[Found]]:
    def find(root: Path) -> list[Found]:
        holders = [path for path in (root, *sorted(root.iterdir())) if (path / folder).is_dir()]
        found: list[Found] = []
        for holder in holders:
            for path in sorted((holder / folder).iterdir()):
                match = _IDB.match(path.name)
                if match and match[3].lower() == suffix:
                    found.append((path, BLAST if match[2] == "1" else HEALTHY, path.stem))
        if found and len(holders) > 1:
            raise DataError(
                f"{root} holds several sets of this layout: {', '.join(map(str, holders))}",
                fix=f"name one of them: {holders[0]}",
            )
        return found

    return find


def _cnmc(root: Path) -> list[Found]:
    found = []
    for path in _files(root):
        match = _CNMC.search(path.name)
        if match:
            label = BLAST if match[4].lower() == "all" else HEALTHY
            found.append((path, label, match[1].upper()))
    return found


def _folders(root: Path) -> list[Found]:
    """Return a folder-per-class set; it may lie one folder deeper."""
    tops = [
        (top, {folder.name: list(_files(folder)) for folder in _subfolders(top)})
        for top in (root, *_subfolders(root))
    ]
    for top, classes in tops:
        if sum(map(bool, classes.values())) > 1:
            _refuse_empty(top, classes)
            return [
                (path, name, path.relative_to(root).as_posix())
                for name, files in classes.items()
                for path in files
            ]
    alone = [(top, classes) for top, classes in reversed(tops) if any(classes.values())]
    for top, classes in alone:
        _refuse_empty(top, classes)
    for top, classes in alone:
        raise DataError(
            f"{top} has only one class, {next(iter(classes))}",
            allowed="a folder for each of two classes or more",
            fix="a folder per class: DATA/healthy/*.jpg, DATA/blast/*.jpg",
        )
    return []


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0] != "."]


def _refuse_empty(top: Path, classes: dict[str, list[Path]]) -> None:
    if empty := [name for name, files in classes.items() if not files]:
        raise DataError(
            f"{top} has no image of the class {', '.join(empty)}",
            fix=f"put its images into {top / empty[0]}, or remove the folder if it is no class",
        )


# Tried in this order; the first that finds images is the layout.
LAYOUTS: dict[str, Callable[[Path], list[Found]]] = {
    "all-idb1": _idb("im", "jpg"),
    "all-idb2": _idb("img", "tif"),
    "c-nmc": _cnmc,
    "folders": _folders,
}


def read_dataset(
    root: str | Path, layout: str | None = None, *, unreadable: dict[Path, str] | None = None
) -> Dataset:
    """Read a data set, finding its layout by looking.

    Parameters
    ----------
    root : str or Path
        Its folder; the set may sit one folder deeper.
    layout : str, optional
        A key of `LAYOUTS`, where looking would find another.
    unreadable : dict, optional
        Takes images that cannot be opened, with the reason; without it they are an error.

    Returns
    -------
    Dataset

    Raises
    ------
    DataError
        If there is no such folder, no layout fits, an image cannot be opened, a class is
        missing, or no class is a healthy one.
    UsageError
        If there is no such layout.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"there is no folder {root}", fix="name the folder of the data set")
    if layout is not None and layout not in LAYOUTS:
        raise unknown_name("layout", layout, LAYOUTS)
    for name in [layout] if layout else LAYOUTS:
        found = LAYOUTS[name](root)
        if found:
            return _describe(root, name, found, unreadable)
    raise DataError(
        f"{root} has no images in a layout that alledge knows",
        allowed=layout or LAYOUTS,
        fix="a folder per class is always understood: DATA/healthy/*.jpg, DATA/blast/*.jpg",
    )


def _describe(
    root: Path, layout: str, found: list[Found], unreadable: dict[Path, str] | None
) -> Dataset:
    labels, positive = _labels(root, layout, {label for _, label, _ in found})
    samples: list[Sample] = []
    broken: list[str] = []
    for path, label, group in found:
        try:
            header = read_header(path)
        except ImageError as error:
            if unreadable is None:
                broken.append(error.what)
            else:
                unreadable[path] = error.what
            continue
        samples.append(
            Sample(path, label, group, header.camera, header.width, header.height, _centroids(path))
        )
    if broken or not samples:
        more = f" (and {len(broken) - 3} more)" if len(broken) > 3 else ""
        raise DataError(
            f"{len(broken)} of {len(found)} images cannot be opened: {'; '.join(broken[:3])}{more}",
            fix="replace or remove them",
        )
    top = samples[0].path.parent.parent
    generated = any((folder / GENERATED_MARK).is_file() for folder in (root, top))
    return Dataset(
        root, layout, labels, positive, tuple(samples), generated, subjects=layout == "c-nmc"
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
            + ("all" if negative else "none")
            + " of them mean healthy",
            fix="name the folder of the healthy class 'healthy'",
        )
    return (*negative, *positive), tuple(positive)


def _is_healthy(name: str) -> bool:
    return bool(HEALTHY_WORDS & set(re.findall(r"[a-z0-9]+", name.lower())))


def _centroids(path: Path) -> tuple[tuple[float, float], ...]:
    """Return the blast centroids of an ALL-IDB1 image, empty where there are none."""
    xyc = path.parent.parent / "xyc" / f"{path.stem}.xyc"
    if not xyc.is_file():
        return ()
    rows = (line.split() for line in xyc.read_text(encoding="ascii").splitlines() if line.strip())
    return tuple((float(x), float(y)) for x, y, *_ in rows)
