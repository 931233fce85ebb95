"""``alledge audit``: what a data set is made of, and what it would let a model cheat with.

Counts, cameras, unreadable files, images that show the same within and between sets, and the
shortcut table. Imports no tensorflow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import AlledgeError, DataError, UsageError
from ...runtime.data.datasets import Dataset, Sample, read_dataset
from ...runtime.imaging import load_picture
from ...runtime.metrics.metrics import Json
from ..data.overlaps.search import Progress, find_overlaps, join
from ..provenance import code_version, package_versions
from .shortcuts import FOLDS, PICTURE_SIZE, Measured, measure, shortcut_table
from .verdict import verdict

SCHEMA, SCHEMA_VERSION = "alledge/audit", 1


class _Part:
    """One of the data sets: its readable images, and where they lie among all of them."""

    def __init__(self, root: Path, layout: str | None, first: int, tell: Progress) -> None:
        headless: dict[Path, str] = {}
        self.dataset: Dataset = read_dataset(root, layout, unreadable=headless)
        self.first = first
        self.samples: list[Sample] = []
        self.measured: list[Measured] = []
        self.unreadable = [
            {"image": path.relative_to(root).as_posix(), "error": why}
            for path, why in headless.items()
        ]
        for index, sample in enumerate(self.dataset.samples):
            try:
                picture = load_picture(sample.path, PICTURE_SIZE)
            except AlledgeError as error:
                name = self.dataset.relative(sample)
                self.unreadable.append({"image": name, "error": error.what})
                continue
            self.samples.append(sample)
            self.measured.append(measure(sample, picture))
            tell("measuring", index + 1, len(self.dataset.samples))
        if not self.samples:
            raise DataError(f"no image of {root} can be read", fix="copy them again")

    @property
    def name(self) -> str:
        return self.dataset.root.name or str(self.dataset.root)

    def image(self, index: int) -> str:
        return self.dataset.relative(self.samples[index - self.first])

    def holds(self, index: int) -> bool:
        return self.first <= index < self.first + len(self.samples)


def audit(
    roots: Sequence[Path],
    *,
    layout: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Json:
    """Return the document of ``alledge audit --json``.

    Parameters
    ----------
    roots : sequence of Path
        One data set or several, which are compared with each other too.
    layout : str, optional
        Of all of them, where looking would find another.
    seed : int
        Of the folds of the shortcut table.
    progress : callable, optional
        Told what is being done, how many are done, and of how many.

    Returns
    -------
    dict

    Raises
    ------
    UsageError
        If a data set is named twice.
    DataError
        If one cannot be read as a data set at all.
    """
    if len({root.resolve() for root in roots}) < len(roots):
        raise UsageError("a data set is named twice", fix="name each once")
    tell = progress or (lambda what, done, total: None)
    parts: list[_Part] = []
    for root in roots:
        first = sum(len(part.samples) for part in parts)
        parts.append(_Part(root, layout, first, tell))
    found = find_overlaps([s.path for part in parts for s in part.samples], tell)
    pairs = [
        {
            "a": _named(parts, one.a),
            "b": _named(parts, one.b),
            "kind": one.kind,
            "dx": one.dx,
            "dy": one.dy,
            "shares": list(one.shares),
            "score": one.score,
        }
        for one in found
    ]
    links = [(one.a, one.b) for one in found]
    document: Json = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "seed": seed,
        "code": code_version(),
        "versions": package_versions(),
        "datasets": [_described(part, links, seed) for part in parts],
        "pairs": pairs,
        "between": [
            _between(one, other, links) for at, one in enumerate(parts) for other in parts[at + 1 :]
        ],
    }
    document["verdict"] = verdict(document)
    return document


def _named(parts: Sequence[_Part], index: int) -> Json:
    at = next(number for number, part in enumerate(parts) if part.holds(index))
    return {"dataset": at, "image": parts[at].image(index)}


def _described(part: _Part, links: Sequence[tuple[int, int]], seed: int) -> Json:
    dataset, samples = part.dataset, part.samples
    inside = [(a - part.first, b - part.first) for a, b in links if part.holds(a) and part.holds(b)]
    own = {group: at for at, group in reversed(list(enumerate(s.group for s in samples)))}
    known = [(own[sample.group], index) for index, sample in enumerate(samples)]
    group = list(range(len(samples)))
    for members in join(len(samples), [*inside, *known]):
        for index in members:
            group[index] = members[0]
    truth = np.array([dataset.labels.index(s.label) for s in samples], dtype=np.int64)
    names = [str(number) for number in group]
    return {
        "name": part.name,
        "root": str(dataset.root),
        "layout": dataset.layout,
        "generated": dataset.generated,
        "fingerprint": dataset.fingerprint(),
        "images": len(samples),
        "labels": {label: sum(s.label == label for s in samples) for label in dataset.labels},
        "positive": list(dataset.positive),
        "sizes": [
            {"width": width, "height": height, "images": count}
            for (width, height), count in Counter(
                (s.width, s.height) for s in samples
            ).most_common()
        ],
        "cameras": _cameras(dataset, samples),
        "unreadable": part.unreadable,
        "same": [
            [dataset.relative(samples[index]) for index in members]
            for members in join(len(samples), inside)
        ],
        "groups": len(set(names)),
        "folds": FOLDS,
        "shortcuts": shortcut_table(part.measured, truth, names, seed),
    }


def _cameras(dataset: Dataset, samples: Sequence[Sample]) -> list[Json]:
    rows = []
    for camera, count in Counter(s.camera for s in samples).most_common():
        labels = [s.label for s in samples if s.camera == camera]
        by_label = {label: labels.count(label) for label in dataset.labels}
        rows.append({"camera": camera, "images": count, "labels": by_label})
    return rows


def _between(one: _Part, other: _Part, links: Sequence[tuple[int, int]]) -> Json:
    pairs = [(a, b) for a, b in links if one.holds(a) and other.holds(b)]
    return {
        "a": one.name,
        "b": other.name,
        "pairs": len(pairs),
        "images_of_a": len({a for a, _ in pairs}),
        "images_of_b": len({b for _, b in pairs}),
        "of_a": len(one.samples),
        "of_b": len(other.samples),
    }
