"""Audits data sets for ``alledge audit``: contents, overlapping images and shortcuts.

It imports no tensorflow.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ...errors import AlledgeError, DataError, UsageError
from ...runtime.data.datasets import Dataset, Sample, read_dataset
from ...runtime.data.layout_types import ReadOptions
from ...runtime.imaging import load_flagged_picture
from ..data.connected_sets import connected_sets
from ..data.contradictions import contradictions
from ..data.overlaps.alignment import Overlap
from ..data.overlaps.search import Progress, find_overlaps
from ..provenance import code_version, package_versions
from .shortcuts import FOLDS, PICTURE_SIZE, ShortcutFeatures, shortcut_features, shortcut_table
from .types import (
    AuditDocument,
    BetweenSets,
    CameraCount,
    ContradictionPair,
    DatasetAudit,
    FlaggedFile,
    ImageReference,
    OverlapPair,
    SizeCount,
    UnreadableFile,
)
from .verdict import verdict

SCHEMA, SCHEMA_VERSION = "alledge/audit", 1

Links = Sequence[tuple[int, int]]  # pairs of overlapping images, by their indices in all data sets


class _AuditedSet:
    """The readable images of one data set.

    Parameters
    ----------
    root : Path
    read_options : ReadOptions
    first : int
        Index of the first image among the readable images of all data sets.
    progress : callable
    """

    def __init__(
        self, root: Path, read_options: ReadOptions, first: int, progress: Progress
    ) -> None:
        self.dataset: Dataset = read_dataset(
            root, read_options, skip_unreadable=True, progress=progress
        )
        self.pixels: list[bytes] = []
        self.first = first
        self.samples: list[Sample] = []
        self.features: list[ShortcutFeatures] = []
        self.flagged: list[FlaggedFile] = []
        self.unreadable: list[UnreadableFile] = [
            {"image": path.relative_to(root).as_posix(), "error": reason}
            for path, reason in self.dataset.unreadable.items()
        ]
        for index, sample in enumerate(self.dataset.samples):
            try:
                picture, flags = load_flagged_picture(sample.path, PICTURE_SIZE)
            except AlledgeError as error:
                name = self.dataset.relative(sample)
                self.unreadable.append({"image": name, "error": error.what})
                continue
            if flags:
                name = self.dataset.relative(sample)
                self.flagged.append({"image": name, "flags": list(flags)})
            self.samples.append(sample)
            self.pixels.append(_pixel_digest(picture))
            self.features.append(shortcut_features(sample, picture))
            progress("measuring", index + 1, len(self.dataset.samples))
        if not self.samples:
            raise DataError(f"no image of {root} can be read", fix="copy them again")

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.dataset.root.name or str(self.dataset.root)

    def image(self, index: int) -> str:
        """Return the path of an image inside the data set, by its index in all data sets."""
        return self.dataset.relative(self.samples[index - self.first])

    def contains(self, index: int) -> bool:
        """Return whether an image belongs to this data set, by its index in all data sets."""
        return self.first <= index < self.first + len(self.samples)

    def links(self, links: Links) -> Links:
        """Return the links inside this data set, by the indices in it."""
        return [
            (a - self.first, b - self.first)
            for a, b in links
            if self.contains(a) and self.contains(b)
        ]


def audit(
    roots: Sequence[Path],
    read_options: ReadOptions | None = None,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> AuditDocument:
    """Audit data sets.

    Parameters
    ----------
    roots : sequence of Path
        Folders of one or more data sets; they are also compared with each other.
    read_options : ReadOptions, optional
        How all data sets are read.
    seed : int
        Of the folds in the shortcut table.
    progress : callable, optional
        Takes the stage, the items done and their number.

    Returns
    -------
    AuditDocument
        The document of ``alledge audit --json``.

    Raises
    ------
    UsageError
        If a data set is named twice.
    DataError
        If a folder cannot be read as a data set, or has no readable image.

    Examples
    --------
    >>> audit([Path("ALL_IDB1")])["verdict"][0]  # doctest: +SKIP
    'the camera alone gives 85% (92 of 108): read every accuracy beside that'
    """
    if len({root.resolve() for root in roots}) < len(roots):
        raise UsageError("a data set is named twice", fix="name each once")
    report = progress or (lambda stage, done, total: None)
    sets: list[_AuditedSet] = []
    for root in roots:
        first = sum(len(audited.samples) for audited in sets)
        sets.append(_AuditedSet(root, read_options or ReadOptions(), first, report))
    paths = [sample.path for audited in sets for sample in audited.samples]
    overlaps = find_overlaps(paths, report)
    pairs: list[OverlapPair] = [
        {
            "a": _reference(sets, overlap.a),
            "b": _reference(sets, overlap.b),
            "kind": overlap.kind,
            "dx": overlap.dx,
            "dy": overlap.dy,
            "shares": list(overlap.shares),
            "score": overlap.score,
        }
        for overlap in overlaps
    ]
    contradicting = _contradictions(sets, overlaps)
    links = [(overlap.a, overlap.b) for overlap in overlaps]
    datasets = [_describe(audited, links, seed) for audited in sets]
    between = [
        _describe_between(a, b, links) for index, a in enumerate(sets) for b in sets[index + 1 :]
    ]
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "seed": seed,
        "code": code_version(),
        "versions": package_versions(),
        "datasets": datasets,
        "pairs": pairs,
        "contradictions": contradicting,
        "between": between,
        "verdict": verdict(datasets, between, contradicting),
    }


def _reference(sets: Sequence[_AuditedSet], index: int) -> ImageReference:
    number = next(number for number, audited in enumerate(sets) if audited.contains(index))
    return {"dataset": number, "image": sets[number].image(index)}


def _contradictions(
    sets: Sequence[_AuditedSet], overlaps: Sequence[Overlap]
) -> list[ContradictionPair]:
    """Return the same pictures under different labels; between data sets, healthy and ill."""
    pixels = [digest for audited in sets for digest in audited.pixels]
    labels = [sample.label for audited in sets for sample in audited.samples]
    ill = [s.label in audited.dataset.positive for audited in sets for s in audited.samples]
    owner = [number for number, audited in enumerate(sets) for _ in audited.samples]
    pairs = {
        pair
        for pair in contradictions(list(zip(owner, labels, strict=True)), pixels, overlaps)
        if owner[pair[0]] == owner[pair[1]]
    } | set(contradictions(ill, pixels, overlaps))
    return [
        {
            "a": _reference(sets, a),
            "b": _reference(sets, b),
            "labels": [labels[a], labels[b]],
        }
        for a, b in sorted(pairs)
    ]


def _pixel_digest(picture: Image.Image) -> bytes:
    size = f"{picture.width} {picture.height}".encode()
    return hashlib.sha256(size + picture.tobytes()).digest()


def _describe(audited: _AuditedSet, links: Links, seed: int) -> DatasetAudit:
    dataset, samples = audited.dataset, audited.samples
    inside = audited.links(links)
    groups = _groups(samples, inside)
    truth = np.array([dataset.labels.index(s.label) for s in samples], dtype=np.int64)
    sizes = Counter((sample.width, sample.height) for sample in samples).most_common()
    return {
        "name": audited.name,
        "root": str(dataset.root),
        "layout": dataset.layout,
        "generated": dataset.generated,
        "fingerprint": dataset.fingerprint(),
        "images": len(samples),
        "labels": _count_labels(samples, dataset.labels),
        "positive": list(dataset.positive),
        "reading": dataset.description(),
        "named_positive": list(dataset.options.positive),
        "labels_file": None
        if dataset.options.labels_file is None
        else str(dataset.options.labels_file),
        "sizes": [SizeCount(width=w, height=h, images=count) for (w, h), count in sizes],
        "cameras": _count_cameras(dataset, samples),
        "unreadable": audited.unreadable,
        "flagged": audited.flagged,
        "same": [
            [dataset.relative(samples[index]) for index in members]
            for members in connected_sets(len(samples), inside)
        ],
        "groups": len(set(groups)),
        "folds": FOLDS,
        "shortcuts": shortcut_table(audited.features, truth, groups, seed),
    }


def _groups(samples: Sequence[Sample], links: Links) -> list[str]:
    """Return the group of every image: those of its sample, joined where images overlap."""
    first_of: dict[str, int] = {}
    for index, sample in enumerate(samples):
        first_of.setdefault(sample.group, index)
    same_group = [(first_of[sample.group], index) for index, sample in enumerate(samples)]
    groups = list(range(len(samples)))
    for members in connected_sets(len(samples), [*links, *same_group]):
        for index in members:
            groups[index] = members[0]
    return [str(group) for group in groups]


def _count_labels(samples: Iterable[Sample], labels: Iterable[str]) -> dict[str, int]:
    counts = Counter(sample.label for sample in samples)
    return {label: counts[label] for label in labels}


def _count_cameras(dataset: Dataset, samples: Sequence[Sample]) -> list[CameraCount]:
    return [
        {
            "camera": camera,
            "images": count,
            "labels": _count_labels((s for s in samples if s.camera == camera), dataset.labels),
        }
        for camera, count in Counter(sample.camera for sample in samples).most_common()
    ]


def _describe_between(a: _AuditedSet, b: _AuditedSet, links: Links) -> BetweenSets:
    pairs = [(first, second) for first, second in links if a.contains(first) and b.contains(second)]
    return {
        "a": a.name,
        "b": b.name,
        "pairs": len(pairs),
        "images_of_a": len({first for first, _ in pairs}),
        "images_of_b": len({second for _, second in pairs}),
        "of_a": len(a.samples),
        "of_b": len(b.samples),
    }
