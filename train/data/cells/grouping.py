"""Groups the images of all data sets: what shows the same cells stays together in every split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ....runtime.data.datasets import Dataset
from ....runtime.data.named_layouts import C_NMC
from ....runtime.imaging import UNKNOWN_CAMERA
from ..connected_sets import connected_components
from ..examples import match_images, read_rows
from ..overlaps.alignment import Overlap
from .sources import all_samples, dataset_names


def group_images(
    datasets: Sequence[Dataset],
    names: tuple[str, ...],
    digests: Sequence[str],
    pairs: Iterable[tuple[int, int]],
    groups_file: Path | None = None,
) -> list[int]:
    """Return the index of the first image of the group of each image.

    Parameters
    ----------
    datasets : sequence of Dataset
    names : tuple of str
        Of all images.
    digests : sequence of str
        Of the pixels of each image.
    pairs : iterable of (int, int)
        Images that show the same content.
    groups_file : Path, optional
        CSV file with the columns ``image,group``.

    Returns
    -------
    list of int

    Raises
    ------
    DataError
        If the groups file cannot be read, or names an image that is in no data set.
    """
    keys = list(enumerate(_own_groups(datasets)))
    keys += [(index, f"pixels\0{digest}") for index, digest in enumerate(digests)]
    if groups_file is not None:
        rows = read_rows(groups_file, ("image", "group"))
        indices = match_images(names, (row["image"] for row in rows), groups_file)
        keys += [(index, f"file\0{row['group']}") for index, row in zip(indices, rows, strict=True)]
    first: dict[str, int] = {}
    linked = [(first.setdefault(key, index), index) for index, key in keys]
    lowest: list[int] = connected_components(len(names), [*linked, *pairs]).tolist()
    return lowest


def image_cameras(datasets: Sequence[Dataset], overlaps: Iterable[Overlap]) -> list[str]:
    """Return the camera of each image.

    An image without one that is a part of another image has the camera of that image. Otherwise
    the name of the data set stands for it if there are several.

    Parameters
    ----------
    datasets : sequence of Dataset
    overlaps : iterable of Overlap
        Between the images of all data sets.
    """
    cameras = [sample.camera for _, sample in all_samples(datasets)]
    for overlap in overlaps:
        for part, whole in ((overlap.a, overlap.b), (overlap.b, overlap.a)):
            if cameras[part] == UNKNOWN_CAMERA != cameras[whole]:
                cameras[part] = cameras[whole]
    if len(datasets) == 1:
        return cameras
    names = np.repeat(dataset_names(datasets), [len(dataset.samples) for dataset in datasets])
    return [
        name if camera == UNKNOWN_CAMERA else camera
        for name, camera in zip(names.tolist(), cameras, strict=True)
    ]


def _own_groups(datasets: Sequence[Dataset]) -> list[str]:
    """Return the group of each image as its data set says it.

    The folds of C-NMC are folders that may be named one by one: their subjects are the same people.
    """
    return [
        f"{C_NMC if dataset.layout == C_NMC else number}\0{sample.group}"
        for number, dataset in enumerate(datasets)
        for sample in dataset.samples
    ]
