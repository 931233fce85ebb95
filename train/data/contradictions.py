"""Finds the same picture under two labels, and refuses to train on it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

from ...errors import DataError
from .examples import NAMED_AT_MOST, Examples
from .overlaps.alignment import Overlap

SAME_PICTURE = frozenset({"identical", "duplicate"})


def contradictions(
    labels: Sequence[Hashable], pixels: Sequence[bytes], overlaps: Iterable[Overlap] = ()
) -> list[tuple[int, int]]:
    """Return the pairs of images that show the same picture and have different labels.

    Parameters
    ----------
    labels : sequence
        Label of each image.
    pixels : sequence of bytes
        Hash of the pixels of each image.
    overlaps : iterable of Overlap
        Between the images. Those that only share a part contradict nothing.

    Returns
    -------
    list of (int, int)
        Indices, sorted.
    """
    pairs = {(row.a, row.b) for row in overlaps if row.kind in SAME_PICTURE}
    same: dict[bytes, list[int]] = defaultdict(list)
    for index, digest in enumerate(pixels):
        same[digest].append(index)
    for members in same.values():
        first_of: dict[Hashable, int] = {}  # one pair for each pair of labels is enough
        for index in members:
            first_of.setdefault(labels[index], index)
        first, *others = first_of.values()
        pairs |= {(min(first, other), max(first, other)) for other in others}
    return sorted((a, b) for a, b in pairs if labels[a] != labels[b])


def refuse_contradictions(
    examples: Examples, overlaps: Iterable[Overlap], *, force: bool, say: Callable[[str], None]
) -> tuple[str, ...]:
    """Refuse to train on the same picture under two labels.

    Parameters
    ----------
    examples : Examples
    overlaps : iterable of Overlap
        Between the images of the data set.
    force : bool
        Warn instead.
    say : callable
        Called with the warning.

    Returns
    -------
    tuple of str
        Notes for whoever reads the results.

    Raises
    ------
    DataError
        If there are such images, and `force` is False.
    """
    labels = [sample.label for sample in examples.dataset.samples]
    pixels = [hashlib.sha256(image.tobytes()).digest() for image in examples.pixels]
    pairs = contradictions(labels, pixels, overlaps)
    if not pairs:
        return ()
    shown = "; ".join(
        f"{examples.names[a]} ({labels[a]}) and {examples.names[b]} ({labels[b]})"
        for a, b in pairs[:NAMED_AT_MOST]
    )
    more = f"; and {len(pairs) - NAMED_AT_MOST} more" if len(pairs) > NAMED_AT_MOST else ""
    what = f"labels contradict: {len(pairs)} pairs show the same picture: {shown}{more}"
    if not force:
        raise DataError(
            what,
            fix="remove the wrong one of each pair (alledge audit lists all), or --force to train "
            "on both",
        )
    say(what)
    return (f"{len(pairs)} pairs of images show the same picture and have different labels",)
