"""A data set prepared for training: decoded pixels, labels, groups and guard statistics."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError, ImageError
from ...runtime.csv_cells import text_of_cell
from ...runtime.data.datasets import Dataset
from ...runtime.guards.image_statistics import image_statistics
from ...runtime.image_settings import ImageSettings
from ...runtime.imaging import load_image
from ...runtime.regular_files import read_regular_file
from ...runtime.types import Statistics
from .connected_sets import connected_components

MAX_TABLE_BYTES = 1 << 28
NAMED_AT_MOST = 3  # greatest number of files or rows that an error message names


@dataclass(frozen=True)
class Examples:
    """All images of a data set, as the model sees them, with their labels and groups.

    Parameters
    ----------
    dataset : Dataset
    pixels : (N, S, S, 3) ndarray of uint8
        RGB.
    truth : (N,) ndarray of int
        Label of each image, as an index into the data set's labels.
    groups : tuple of str
        Group of each image. A split never separates the images of a group. The data set's own
        groups are merged where images are pixel-identical, overlap, or share a group in the
        user's file.
    names : tuple of str
        Path of each image inside the data set.
    statistics : tuple of dict
        Guard measurements of each image.
    file_flags : tuple of tuple of str
        Of each image, what its file leaves open, as `Header.flags`; empty if it was not decoded.
    origins : tuple of str
        Name of the data set of each image; empty where there is only one.
    """

    dataset: Dataset
    pixels: NDArray[np.uint8]
    truth: NDArray[np.int64]
    groups: tuple[str, ...]
    names: tuple[str, ...]
    statistics: tuple[Statistics, ...]
    file_flags: tuple[tuple[str, ...], ...] = ()
    origins: tuple[str, ...] = ()

    @property
    def cameras(self) -> tuple[str, ...]:
        """Camera of each image."""
        return tuple(sample.camera for sample in self.dataset.samples)

    def flag_notes(self) -> tuple[str, ...]:
        """Return how many images have flags of their files, in one line; nothing if none has."""
        return flag_notes(self.file_flags)

    def missing_labels(self, images: NDArray[np.int64]) -> list[str]:
        """Return the labels that none of these images, given by index, has."""
        labels = self.dataset.labels
        return [labels[i] for i in range(len(labels)) if i not in self.truth[images]]


def flag_notes(file_flags: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Return how many images have flags of their files, in one line; nothing if none has.

    Parameters
    ----------
    file_flags : iterable of tuple of str
        Of each image.
    """
    flagged = [flags for flags in file_flags if flags]
    if not flagged:
        return ()
    counts = Counter(flag for flags in flagged for flag in flags)
    named = ", ".join(f"{count} {flag}" for flag, count in sorted(counts.items()))
    return (f"{len(flagged)} images have flags of their files ({named}): alledge audit lists them",)


def read_examples(
    dataset: Dataset,
    settings: ImageSettings,
    groups_file: Path | None = None,
    *,
    overlaps: Iterable[tuple[int, int]] = (),
    progress: Callable[[int], None] | None = None,
) -> Examples:
    """Decode all images of a data set.

    Parameters
    ----------
    dataset : Dataset
    settings : ImageSettings
    groups_file : Path, optional
        CSV file with the columns ``image,group``. Images of one group stay together in a split.
    overlaps : iterable of (int, int)
        Pairs of images, by index, that show the same content. They stay together too.
    progress : callable, optional
        Called with the number of decoded images after each image.

    Returns
    -------
    Examples

    Raises
    ------
    DataError
        If an image is damaged, or the groups file names an image that is not in the data set.
    """
    names = tuple(dataset.relative(sample) for sample in dataset.samples)
    # images with a common key form a group
    keys = [(index, sample.group) for index, sample in enumerate(dataset.samples)]
    if groups_file is not None:
        rows = read_rows(groups_file, ("image", "group"))
        indices = match_images(names, (row["image"] for row in rows), groups_file)
        # the prefix separates the user's group names from those of the data set
        keys += [(index, f"file\0{row['group']}") for index, row in zip(indices, rows, strict=True)]
    pixels, statistics, file_flags = _decode(dataset, settings, progress)
    keys += [
        (index, f"pixels\0{hashlib.sha256(image.tobytes()).hexdigest()}")
        for index, image in enumerate(pixels)
    ]
    truth = np.array([dataset.labels.index(s.label) for s in dataset.samples], dtype=np.int64)
    first: dict[str, int] = {}
    pairs = [(first.setdefault(key, index), index) for index, key in keys]
    groups = tuple(
        dataset.samples[lowest].group
        for lowest in connected_components(len(names), [*pairs, *overlaps])
    )
    return Examples(dataset, pixels, truth, groups, names, statistics, file_flags)


def read_rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rows of a CSV file. Lines that begin with ``#`` are comments.

    Parameters
    ----------
    path : Path
    columns : tuple of str
        Columns that the file must have. It may have more.

    Returns
    -------
    list of dict of str to str
        Values without surrounding blanks, by column.

    Raises
    ------
    DataError
        If the file cannot be read as UTF-8 text, or lacks one of the columns.
    """
    content = read_regular_file(path, limit_bytes=MAX_TABLE_BYTES, error=DataError)
    try:
        text = content.decode("utf-8-sig")
        lines = [
            line
            for line in io.StringIO(text, newline="")
            if line.strip() and not line.startswith("#")
        ]
        reader = csv.DictReader(lines)
        rows, names = list(reader), reader.fieldnames or ()
    except UnicodeDecodeError:
        raise DataError(f"{path} cannot be read: it is not UTF-8 text") from None
    except csv.Error as error:
        raise DataError(f"{path} is not a CSV file: {error}") from None
    missing = [name for name in columns if name not in names]
    if missing:
        raise DataError(
            f"{path} has no column {', '.join(missing)}",
            allowed=f"a first line with {','.join(columns)}",
        )
    return [
        {key: text_of_cell(value or "").strip() for key, value in row.items() if key}
        for row in rows
    ]


def match_images(names: tuple[str, ...], wanted: Iterable[str], source: Path) -> list[int]:
    """Return the index of each image that a file names.

    Parameters
    ----------
    names : tuple of str
        Path of each image inside the data set.
    wanted : iterable of str
        Images by their path inside the data set, or by an end of it that no other image has.
    source : Path
        The file that names the images, for the error message.

    Returns
    -------
    list of int

    Raises
    ------
    DataError
        If an image is not in the data set, or a name fits several images.

    Examples
    --------
    >>> match_images(("im/a.jpg", "im/b.jpg"), ["b.jpg"], Path("groups.csv"))
    [1]
    """
    exact = {name: index for index, name in enumerate(names)}
    indices, wrong = [], []
    for name in wanted:
        name = name.replace("\\", "/")
        matches = [index for path, index in exact.items() if path.endswith(f"/{name}")]
        matches = [exact[name]] if name in exact else matches
        if len(matches) == 1:
            indices.append(matches[0])
        else:
            reason = "several images match" if matches else "not in the data set"
            wrong.append(f"{name} ({reason})")
    if wrong:
        more = f" and {len(wrong) - NAMED_AT_MOST} more" if len(wrong) > NAMED_AT_MOST else ""
        raise DataError(
            f"{source} does not agree with the data set: {', '.join(wrong[:NAMED_AT_MOST])}{more}",
            fix="name images by their path inside the data set, with forward slashes",
        )
    return indices


def _decode(
    dataset: Dataset, settings: ImageSettings, progress: Callable[[int], None] | None
) -> tuple[NDArray[np.uint8], tuple[Statistics, ...], tuple[tuple[str, ...], ...]]:
    """Return pixels, (N, S, S, 3), guard measurements and flags of the files of all images."""
    pixels = np.empty((len(dataset.samples), settings.size, settings.size, 3), dtype=np.uint8)
    broken, statistics, file_flags = [], [], []
    for index, sample in enumerate(dataset.samples):
        try:
            pixels[index], header = load_image(sample.path, settings)
            statistics.append(image_statistics(pixels[index], header))
            file_flags.append(header.flags)
        except ImageError as error:
            broken.append(error.what)
        if progress:
            progress(index + 1)
    if broken:
        more = f"; and {len(broken) - NAMED_AT_MOST} more" if len(broken) > NAMED_AT_MOST else ""
        raise DataError(
            f"{len(broken)} of {len(pixels)} images are damaged: "
            f"{'; '.join(broken[:NAMED_AT_MOST])}{more}",
            fix="replace or remove them; nothing was trained",
        )
    return pixels, tuple(statistics), tuple(file_flags)
