"""Which images may show the same: the nearest by perceptual hash, with the shift they agree on.

Imports numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .overlaps_landmarks import BITS, Signature

NEAREST = 20  # candidates an image
BANDS = 4  # of 16 bits: two hashes are compared if one band of them is the same
CROWD = 200  # hashes with the same band that are compared with each other, at most
NEAR_BITS = 12  # of 64 that may differ between two patches
NEAR_WHOLE = 12  # of 63 that may differ between two whole images
CELL = 6  # pixels of the level: shifts this near are the same
CHUNK = 1000  # images compared at once

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Candidate:
    """Two images that may show the same.

    Parameters
    ----------
    a, b : int
        Indices, a < b.
    dx, dy : int, optional
        Where b's origin lies in a, in pixels of the level; None where the whole images look alike.
    votes : int
        Patches that agree on the shift.
    """

    a: int
    b: int
    dx: int | None
    dy: int | None
    votes: int


def candidates(signatures: Sequence[Signature | None]) -> list[Candidate]:
    """Return the pairs to align: the nearest `NEAREST` of every image, by either kind of hash."""
    return _by_patches(signatures) + _by_whole(signatures)


def _by_whole(signatures: Sequence[Signature | None]) -> list[Candidate]:
    known = np.array([i for i, s in enumerate(signatures) if s is not None], dtype=np.int64)
    if len(known) < 2:
        return []
    table = np.array([signatures[i].whole for i in known], dtype=np.float32)  # type: ignore[union-attr]
    pairs: set[tuple[int, int]] = set()
    for start in range(0, len(table), CHUNK):
        alike = table[start : start + CHUNK] @ table.T
        alike[np.arange(len(alike)), start + np.arange(len(alike))] = -BITS
        count = min(NEAREST, len(table) - 1)
        nearest = np.argpartition(-alike, count - 1, axis=1)[:, :count]
        rows, columns = np.nonzero(np.take_along_axis(alike, nearest, 1) >= BITS - 2 * NEAR_WHOLE)
        for row, column in zip(rows, nearest[rows, columns], strict=True):
            a, b = int(known[start + row]), int(known[column])
            pairs.add((min(a, b), max(a, b)))
    return [Candidate(a, b, None, None, 0) for a, b in sorted(pairs)]


def _by_patches(signatures: Sequence[Signature | None]) -> list[Candidate]:
    some = [(i, s) for i, s in enumerate(signatures) if s is not None and len(s.hashes)]
    if len(some) < 2:
        return []
    owner = np.concatenate([np.full(len(s.hashes), i, dtype=np.int64) for i, s in some])
    place = np.concatenate([s.places for _, s in some]).astype(np.int64)
    hashes = np.concatenate([s.hashes for _, s in some])
    first, second = _near(hashes, owner)
    swap = owner[first] > owner[second]
    first, second = np.where(swap, second, first), np.where(swap, first, second)
    return _vote(owner[first], owner[second], place[first] - place[second], len(signatures))


def _near(hashes: NDArray[np.uint64], owner: Ints) -> tuple[Ints, Ints]:
    """Return pairs of hashes of different images that differ in few bits."""
    words = hashes.view(np.uint16).reshape(-1, BANDS)
    found = []
    for band in range(BANDS):
        order = np.argsort(words[:, band], kind="stable")
        key, at = words[order, band], np.arange(len(order))
        for offset in range(1, CROWD):
            at = at[at + offset < len(order)]
            at = at[key[at] == key[at + offset]]
            if not len(at):
                break
            a, b = order[at], order[at + offset]
            near = (owner[a] != owner[b]) & (_ones(words[a] ^ words[b]) <= NEAR_BITS)
            found.append(np.stack([a[near], b[near]], axis=1))
    pairs = np.concatenate(found) if found else np.empty((0, 2), dtype=np.int64)
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1]


def _ones(words: NDArray[np.uint16]) -> NDArray[np.int64]:
    return np.asarray(_COUNTS[words].sum(axis=1, dtype=np.int64))


def _vote(a: Ints, b: Ints, shift: Ints, images: int) -> list[Candidate]:
    """Return for each pair the shift most of its patches agree on; the best of every image."""
    best: dict[tuple[int, int], Candidate] = {}
    for corner in (0, CELL // 2):  # two grids, so that no shift lies on the border of both
        cell = (shift + corner) // CELL
        keys = np.column_stack([a, b, cell])
        unique, inverse, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        sums = np.zeros((len(unique), 2))
        np.add.at(sums, inverse.ravel(), shift)
        for row, count, total in zip(unique.tolist(), counts.tolist(), sums, strict=True):
            known = best.get((row[0], row[1]))
            if known is None or known.votes < count:
                dx, dy = np.rint(total / count).astype(int).tolist()
                best[row[0], row[1]] = Candidate(row[0], row[1], dx, dy, count)
    taken, kept = np.zeros(images, dtype=np.int64), []
    for one in sorted(best.values(), key=lambda c: (-c.votes, c.a, c.b)):
        if min(taken[one.a], taken[one.b]) < NEAREST:
            taken[one.a] += 1
            taken[one.b] += 1
            kept.append(one)
    return kept


_COUNTS = np.array([bin(number).count("1") for number in range(1 << 16)], dtype=np.uint8)
