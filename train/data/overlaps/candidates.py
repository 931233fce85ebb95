"""Which images may show the same: the nearest by perceptual hash, with the shift they agree on.

Imports numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .landmarks import BITS, Signature

NEAREST = 20  # candidates an image
BAND = 16  # bits: two hashes are compared if one of the four bands of them is the same
CROWD = 16  # following hashes, in the order of all bits, that one with the same band is compared to
NEAR_BITS = 10  # of 64 that may differ between two patches
NEAR_WHOLE = 12  # of 63 that may differ between two whole images
CELL = 6  # pixels of the level: shifts this near are the same
CHUNK = 1000  # images compared at once
FAR = 2048  # pixels of the level: no shift is larger
PLACE = 3  # bits of a place inside a cell
COLUMN = 10  # bits of a cell, along each axis

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]


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
    if not len(first):
        return []
    swap = owner[first] > owner[second]
    first, second = np.where(swap, second, first), np.where(swap, first, second)
    pair = owner[first] * len(signatures) + owner[second]
    shift = (place[first] - place[second]).astype(np.int16)
    del first, second, swap
    return _nearest(*_vote(pair, shift), len(signatures))


def _near(hashes: Words, owner: Ints) -> tuple[Ints, Ints]:
    """Return pairs of hashes of different images that differ in few bits.

    Hashes with one band the same lie together once all are sorted from that band on, and those
    with more in common lie nearer to each other.
    """
    found: list[tuple[NDArray[np.uint32], NDArray[np.uint32]]] = []
    for start in range(0, BITS, BAND):
        turned = _turned(hashes, start)
        order = np.argsort(turned).astype(np.uint32)
        turned, mine = turned[order], owner[order]
        band = (turned >> np.uint64(BITS - BAND)).astype(np.uint16)
        for offset in range(1, min(CROWD, len(order))):
            same = (band[:-offset] == band[offset:]) & (mine[:-offset] != mine[offset:])
            at = np.flatnonzero(same)
            differing = turned[at] ^ turned[at + offset]
            new = np.bitwise_count(differing) <= NEAR_BITS
            for earlier in range(BAND, start + BAND, BAND):  # a pair counts once, not once a band
                new &= _bits(differing, earlier - BAND, BAND) != 0
            found.append((order[at[new]], order[at[new] + offset]))
    first, second = (np.concatenate(side).astype(np.int64) for side in zip(*found, strict=True))
    return first, second


def _turned(hashes: Words, bits: int) -> Words:
    """Return hashes with this many bits moved from their front to their end."""
    if not bits:
        return hashes
    turned: Words = (hashes << np.uint64(bits)) | (hashes >> np.uint64(BITS - bits))
    return turned


def _bits(words: Words, start: int, count: int) -> Words:
    """Return so many bits from each word, from this one on."""
    found: Words = (words >> np.uint64(start)) & np.uint64(2**count - 1)
    return found


def _vote(pair: Ints, shift: NDArray[np.int16]) -> tuple[Ints, Ints, Ints]:
    """Return each pair once, with its votes and the shift, (K, 2), that most patches agree on."""
    # two grids, so that no shift lies on the border of both; the same pairs in the same order
    (once, votes, mean), (_, others, moved) = (
        _fullest(_key(pair, shift, corner), corner) for corner in (0, CELL // 2)
    )
    better = others > votes
    return once, np.where(better, others, votes), np.where(better[:, None], moved, mean)


def _fullest(keys: Words, corner: int) -> tuple[Ints, Ints, Ints]:
    """Return each pair once, with the votes of its fullest cell and their mean shift."""
    keys.sort()
    cell = keys >> np.uint64(2 * PLACE)
    starts = np.flatnonzero(np.concatenate([[True], cell[1:] != cell[:-1]]))
    del cell
    counts = np.diff(starts, append=len(keys))
    pair = (keys[starts] >> np.uint64(2 * (PLACE + COLUMN))).astype(np.int64)
    firsts = np.flatnonzero(np.concatenate([[True], pair[1:] != pair[:-1]]))
    # of each pair the first cell with the most votes: counts and what is left, in one number
    rank = counts * len(counts) + np.arange(len(counts))[::-1]
    best = len(counts) - 1 - np.maximum.reduceat(rank, firsts) % len(counts)
    return pair[firsts], counts[best], _mean_shift(keys, starts[best], counts[best], corner)


def _key(pair: Ints, shift: NDArray[np.int16], corner: int) -> Words:
    """Return votes as numbers that sort by pair, then cell, and keep the place in the cell."""
    parts = [np.divmod(shift[:, axis] + np.int16(FAR + corner), np.int16(CELL)) for axis in (0, 1)]
    key = pair.astype(np.uint64)
    for part, bits in ((0, COLUMN), (1, PLACE)):  # both cells, then both places
        for axis in parts:
            key <<= np.uint64(bits)
            key |= axis[part].astype(np.uint64)
    return key


def _mean_shift(keys: Words, starts: Ints, counts: Ints, corner: int) -> Ints:
    """Return the mean shift, (K, 2), of the votes of a cell: from where it starts, so many."""
    shifts = np.empty((len(starts), 2), dtype=np.int64)
    for axis in (0, 1):
        cell = _bits(keys[starts], 2 * PLACE + (1 - axis) * COLUMN, COLUMN)
        place = _bits(keys, (1 - axis) * PLACE, PLACE)
        sums = np.concatenate([[0], np.cumsum(place, dtype=np.int64)])
        inside = (sums[starts + counts] - sums[starts]) / counts
        shifts[:, axis] = np.rint(cell.astype(np.int64) * CELL + inside).astype(int) - FAR - corner
    return shifts


def _nearest(pair: Ints, votes: Ints, shift: Ints, images: int) -> list[Candidate]:
    """Return the pairs that are among the `NEAREST` of one of their images, most votes first."""
    order = np.lexsort([pair, -votes])
    a, b = np.divmod(pair[order], images)
    ends = np.stack([a, b], axis=1).ravel()  # of each pair both images, in the order of the pairs
    by_image = np.argsort(ends, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(ends, minlength=images))])
    rank = np.empty(len(ends), dtype=np.int64)
    rank[by_image] = np.arange(len(ends)) - starts[ends[by_image]]
    kept = rank.reshape(-1, 2).min(axis=1) < NEAREST
    rows = zip(a[kept], b[kept], shift[order[kept]], votes[order[kept]], strict=True)
    return [Candidate(int(a), int(b), int(dx), int(dy), int(n)) for a, b, (dx, dy), n in rows]
