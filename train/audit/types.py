"""The JSON document of an audit: ``alledge audit --json``."""

from __future__ import annotations

from typing import TypedDict

from ..provenance import CodeVersion


class Proportion(TypedDict):
    """A share of `n` images with its 95 % Wilson interval."""

    value: float
    low: float
    high: float
    n: int


class UnreadableFile(TypedDict):
    """A file that cannot be decoded, by its path inside the data set."""

    image: str
    error: str


class FlaggedFile(TypedDict):
    """A file that leaves open what its pixels mean, by its path inside the data set."""

    image: str
    flags: list[str]


class SizeCount(TypedDict):
    """Number of images of one size in pixels."""

    width: int
    height: int
    images: int


class CameraCount(TypedDict):
    """Number of images of one camera, in total and by label."""

    camera: str
    images: int
    labels: dict[str, int]


class ShortcutRow(TypedDict):
    """The cross-validated accuracy of one shortcut; `right` images of `accuracy["n"]`."""

    name: str
    what: str
    right: int
    accuracy: Proportion


class DatasetAudit(TypedDict):
    """The audit of one data set.

    `reading` says how the folder was read and what its labels mean; `named_positive` and
    `labels_file` are the user's options. `same` has the sets of overlapping images by their paths,
    `groups` the number of groups that remain if overlapping images and images of one subject stay
    together.
    """

    name: str
    root: str
    layout: str
    generated: bool
    fingerprint: str
    images: int
    labels: dict[str, int]
    positive: list[str]
    reading: list[str]
    named_positive: list[str]
    labels_file: str | None
    sizes: list[SizeCount]
    cameras: list[CameraCount]
    unreadable: list[UnreadableFile]
    flagged: list[FlaggedFile]
    same: list[list[str]]
    groups: int
    folds: int
    shortcuts: list[ShortcutRow]


class ImageReference(TypedDict):
    """An image by the index of its data set and its path inside it."""

    dataset: int
    image: str


class OverlapPair(TypedDict):
    """Two overlapping images: `b` is shifted by `dx`, `dy` pixels against `a`.

    `shares` are the shares of both images that they have in common, `score` is the correlation.
    """

    a: ImageReference
    b: ImageReference
    kind: str
    dx: int
    dy: int
    shares: list[float]
    score: float


class ContradictionPair(TypedDict):
    """Two images that show the same picture, and their different labels."""

    a: ImageReference
    b: ImageReference
    labels: list[str]


class BetweenSets(TypedDict):
    """Overlaps between two data sets: pairs, and images of each that are in a pair."""

    a: str
    b: str
    pairs: int
    images_of_a: int
    images_of_b: int
    of_a: int
    of_b: int


class AuditDocument(TypedDict):
    """The audit of one or more data sets, and the overlaps between them."""

    schema: str
    schema_version: int
    seed: int
    code: CodeVersion
    versions: dict[str, str]
    datasets: list[DatasetAudit]
    pairs: list[OverlapPair]
    contradictions: list[ContradictionPair]
    between: list[BetweenSets]
    verdict: list[str]
