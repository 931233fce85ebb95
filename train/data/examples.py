"""A data set made ready for training: pixels through the image path, labels, groups, names."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, ImageError
from ...runtime.data.datasets import Dataset
from ...runtime.guards.image_statistics import image_statistics
from ...runtime.image_settings import ImageSettings
from ...runtime.imaging import load_image
from ...runtime.types import Statistics

NAMED_AT_MOST = 3  # broken files or wrong rows an error names


@dataclass(frozen=True)
class Examples:
    """Every image of a data set as the model sees it, with what a split has to know of it.

    Parameters
    ----------
    dataset : Dataset
    pixels : (N, S, S, 3) ndarray of uint8
    truth : (N,) ndarray of int
        Index of the label.
    groups : tuple of str
        Images of one group are never parted: the data set's own, joined with pixel-identical
        and overlapping images and with the groups the user named.
    names : tuple of str
        Paths inside the data set.
    statistics : tuple of dict
        What the guards measure of each image.
    """

    dataset: Dataset
    pixels: NDArray[np.uint8]
    truth: NDArray[np.int64]
    groups: tuple[str, ...]
    names: tuple[str, ...]
    statistics: tuple[Statistics, ...]

    @property
    def cameras(self) -> tuple[str, ...]:
        """The camera of every image."""
        return tuple(sample.camera for sample in self.dataset.samples)


def read_examples(
    dataset: Dataset,
    settings: ImageSettings,
    groups_file: Path | None = None,
    *,
    alike: Iterable[tuple[int, int]] = (),
    seen: Callable[[int], None] | None = None,
) -> Examples:
    """Decode a whole data set.

    Parameters
    ----------
    dataset : Dataset
    settings : ImageSettings
    groups_file : Path, optional
        CSV with the columns ``image,group``: further images that stay together.
    alike : iterable of (int, int)
        Pairs of images found to show the same, by their indices: they stay together too.
    seen : callable, optional
        Told how many images are decoded, for a progress bar.

    Returns
    -------
    Examples

    Raises
    ------
    DataError
        If an image is damaged, or the file of groups names one that is not there.
    """
    names = tuple(dataset.relative(sample) for sample in dataset.samples)
    links = [(index, sample.group) for index, sample in enumerate(dataset.samples)]
    if groups_file is not None:
        rows = read_rows(groups_file, ("image", "group"))
        found = find_images(names, (row["image"] for row in rows), groups_file)
        # a prefix keeps the user's names apart from the data set's own
        links += [(at, f"file\0{row['group']}") for at, row in zip(found, rows, strict=True)]
    for pair in alike:
        links += [(index, f"alike\0{pair}") for index in pair]
    pixels, statistics = _decode(dataset, settings, seen)
    links += [
        (index, f"pixels\0{hashlib.sha256(image.tobytes()).hexdigest()}")
        for index, image in enumerate(pixels)
    ]
    truth = np.array([dataset.labels.index(s.label) for s in dataset.samples], dtype=np.int64)
    own = [sample.group for sample in dataset.samples]
    return Examples(dataset, pixels, truth, _join(own, links), names, statistics)


def read_rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rows of a CSV file; lines that begin with ``#`` are comments.

    Raises
    ------
    DataError
        If there is no such file, it is not text, or it lacks one of the columns.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise DataError(f"{path} cannot be read: {reason}") from None
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    reader = csv.DictReader(lines)
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        raise DataError(
            f"{path} has no column {', '.join(missing)}",
            allowed=f"a first line with {','.join(columns)}",
        )
    return [{key: (value or "").strip() for key, value in row.items() if key} for row in reader]


def find_images(names: tuple[str, ...], wanted: Iterable[str], source: Path) -> list[int]:
    """Return the index of each image that a file names, by its path or the end of it.

    Raises
    ------
    DataError
        If one is not in the data set, or could be several.
    """
    exact = {name: index for index, name in enumerate(names)}
    found, wrong = [], []
    for name in wanted:
        name = name.replace("\\", "/")
        ends = [i for n, i in exact.items() if n.endswith(f"/{name}")] if name not in exact else []
        if name in exact or len(ends) == 1:
            found.append(exact.get(name, ends[0] if ends else -1))
        else:
            wrong.append(f"{name} ({'several images end so' if ends else 'not in the data set'})")
    if wrong:
        more = f" and {len(wrong) - NAMED_AT_MOST} more" if len(wrong) > NAMED_AT_MOST else ""
        raise DataError(
            f"{source} does not agree with the data set: {', '.join(wrong[:NAMED_AT_MOST])}{more}",
            fix="name images by their path inside the data set, with forward slashes",
        )
    return found


def _decode(
    dataset: Dataset, settings: ImageSettings, seen: Callable[[int], None] | None
) -> tuple[NDArray[np.uint8], tuple[Statistics, ...]]:
    pixels = np.empty((len(dataset.samples), settings.size, settings.size, 3), dtype=np.uint8)
    broken, statistics = [], []
    for index, sample in enumerate(dataset.samples):
        try:
            pixels[index], header = load_image(sample.path, settings)
            statistics.append(image_statistics(pixels[index], header))
        except ImageError as error:
            broken.append(error.what)
        if seen:
            seen(index + 1)
    if broken:
        more = f"; and {len(broken) - NAMED_AT_MOST} more" if len(broken) > NAMED_AT_MOST else ""
        raise DataError(
            f"{len(broken)} of {len(pixels)} images are damaged: "
            f"{'; '.join(broken[:NAMED_AT_MOST])}{more}",
            fix="replace or remove them; nothing was trained",
        )
    return pixels, tuple(statistics)


def _join(own: list[str], links: list[tuple[int, str]]) -> tuple[str, ...]:
    """Return one group an image, joining images that share any link (union-find)."""
    parent = list(range(len(own)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[str, int] = {}
    for index, link in links:
        a, b = root(first.setdefault(link, index)), root(index)
        parent[max(a, b)] = min(a, b)
    return tuple(own[root(index)] for index in range(len(own)))
