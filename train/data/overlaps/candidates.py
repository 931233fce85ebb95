"""Selects the pairs of images to align: the most similar ones by perceptual hash. Imports numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .landmarks import BITS, Signature

CANDIDATES_PER_IMAGE = 20
BAND_BITS = 16  # hashes are compared only if one of their four bands is the same
BAND_NEIGHBOURS = 16  # a hash is compared with this many next ones of the same band, sorted
MAX_PATCH_BITS = 10  # of 64 that may differ between two patches
MAX_IMAGE_BITS = 12  # of 63 that may differ between two whole images
CELL = 6  # pixels of the pyramid level: side of the cells in which votes for a shift are counted
CHUNK = 1000  # images compared at once
MAX_SHIFT = 2048  # pixels of the pyramid level
PLACE_BITS = 3  # of a position inside a cell, along each axis
CELL_BITS = 10  # of the number of a cell, along each axis

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]


@dataclass(frozen=True)
class Candidate:
    """Two images that may show the same content.

    Parameters
    ----------
    a, b : int
        Indices of the images, a < b.
    dx, dy : int, optional
        Position of b's origin in a, in pixels of the pyramid level. None if the whole images are
        similar and no shift is known.
    votes : int
        Number of patches that agree on the shift.
    """

    a: int
    b: int
    dx: int | None
    dy: int | None
    votes: int


def candidates(signatures: Sequence[Signature | None]) -> list[Candidate]:
    """Return the pairs to align: the most similar images of every image, by either kind of hash.

    Parameters
    ----------
    signatures : sequence of Signature or None
        One per image, None for an unreadable one.

    Returns
    -------
    list of Candidate
        First the pairs from patch hashes, most votes first, then those from image hashes. A pair
        may occur in both.
    """
    return _by_patches(signatures) + _by_image_hash(signatures)


def _by_image_hash(signatures: Sequence[Signature | None]) -> list[Candidate]:
    readable = [(i, s.image_hash) for i, s in enumerate(signatures) if s is not None]
    if len(readable) < 2:
        return []
    image = [index for index, _ in readable]
    hashes = np.array([bits for _, bits in readable], dtype=np.float32)
    pairs: set[tuple[int, int]] = set()
    for start in range(0, len(hashes), CHUNK):
        similarity = hashes[start : start + CHUNK] @ hashes.T  # equal bits minus different bits
        rows = np.arange(len(similarity))
        similarity[rows, start + rows] = -BITS  # never pairs an image with itself
        count = min(CANDIDATES_PER_IMAGE, len(hashes) - 1)
        nearest = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(similarity, nearest, 1) >= BITS - 2 * MAX_IMAGE_BITS
        rows, columns = np.nonzero(near)
        for row, other in zip(rows, nearest[rows, columns], strict=True):
            a, b = image[start + row], image[other]
            pairs.add((min(a, b), max(a, b)))
    return [Candidate(a, b, None, None, 0) for a, b in sorted(pairs)]


def _by_patches(signatures: Sequence[Signature | None]) -> list[Candidate]:
    usable = [(i, s) for i, s in enumerate(signatures) if s is not None and len(s.patch_hashes)]
    if len(usable) < 2:
        return []
    owner = np.concatenate([np.full(len(s.patch_hashes), i, dtype=np.int64) for i, s in usable])
    place = np.concatenate([s.landmarks for _, s in usable]).astype(np.int64)
    hashes = np.concatenate([s.patch_hashes for _, s in usable])
    first, second = _similar_patches(hashes, owner)
    if not len(first):
        return []
    swap = owner[first] > owner[second]
    first, second = np.where(swap, second, first), np.where(swap, first, second)
    pair = owner[first] * len(signatures) + owner[second]
    shift = (place[first] - place[second]).astype(np.int16)
    del first, second, swap  # gigabytes for ten thousand images
    return _nearest(*_vote(pair, shift), len(signatures))


def _similar_patches(hashes: Words, owner: Ints) -> tuple[Ints, Ints]:
    """Return pairs of hashes of different images that differ in few bits, as two index arrays.

    The hashes are rotated so that each band in turn is at the front, and sorted. Hashes with the
    same band are then next to each other, and those with more bits in common are closer.
    """
    pairs: list[tuple[NDArray[np.uint32], NDArray[np.uint32]]] = []
    for start in range(0, BITS, BAND_BITS):
        rotated = _rotate(hashes, start)
        order = np.argsort(rotated).astype(np.uint32)
        rotated, image = rotated[order], owner[order]
        band = (rotated >> np.uint64(BITS - BAND_BITS)).astype(np.uint16)
        for offset in range(1, min(BAND_NEIGHBOURS, len(order))):
            comparable = (band[:-offset] == band[offset:]) & (image[:-offset] != image[offset:])
            at = np.flatnonzero(comparable)
            difference = rotated[at] ^ rotated[at + offset]
            similar = np.bitwise_count(difference) <= MAX_PATCH_BITS
            for earlier in range(BAND_BITS, start + BAND_BITS, BAND_BITS):
                # a pair that an earlier band contains is not counted again
                similar &= _bit_field(difference, earlier - BAND_BITS, BAND_BITS) != 0
            pairs.append((order[at[similar]], order[at[similar] + offset]))
    first, second = (np.concatenate(side).astype(np.int64) for side in zip(*pairs, strict=True))
    return first, second


def _rotate(hashes: Words, bits: int) -> Words:
    """Rotate hashes to the left by this many bits."""
    if not bits:
        return hashes
    rotated: Words = (hashes << np.uint64(bits)) | (hashes >> np.uint64(BITS - bits))
    return rotated


def _bit_field(words: Words, start: int, count: int) -> Words:
    """Return `count` bits of each word, from bit `start` on."""
    field: Words = (words >> np.uint64(start)) & np.uint64(2**count - 1)
    return field


def _vote(pair: Ints, shift: NDArray[np.int16]) -> tuple[Ints, Ints, Ints]:
    """Return each pair of images once, with its votes and the shift that most patches agree on.

    `pair` (M,) is the pair of images that each pair of patches belongs to, `shift` (M, 2) the shift
    between the two patches in pixels.
    """
    # two grids, offset by half a cell: a shift near a border of one is inside a cell of the other
    pairs, votes, shifts = _fullest_cells(_vote_keys(pair, shift, 0), 0)
    offset = CELL // 2
    _, other_votes, other_shifts = _fullest_cells(_vote_keys(pair, shift, offset), offset)
    better = other_votes > votes
    return (
        pairs,
        np.where(better, other_votes, votes),
        np.where(better[:, None], other_shifts, shifts),
    )


def _fullest_cells(keys: Words, offset: int) -> tuple[Ints, Ints, Ints]:
    """Return each pair once, with the votes and the mean shift of its fullest cell."""
    keys.sort()
    cell = keys >> np.uint64(2 * PLACE_BITS)
    starts = np.flatnonzero(np.concatenate([[True], cell[1:] != cell[:-1]]))
    del cell
    counts = np.diff(starts, append=len(keys))
    pair = (keys[starts] >> np.uint64(2 * (PLACE_BITS + CELL_BITS))).astype(np.int64)
    firsts = np.flatnonzero(np.concatenate([[True], pair[1:] != pair[:-1]]))
    # one number orders the cells of a pair by votes, then by position, first cell first
    rank = counts * len(counts) + np.arange(len(counts))[::-1]
    best = len(counts) - 1 - np.maximum.reduceat(rank, firsts) % len(counts)
    return pair[firsts], counts[best], _mean_shifts(keys, starts[best], counts[best], offset)


def _vote_keys(pair: Ints, shift: NDArray[np.int16], offset: int) -> Words:
    """Pack each vote into one number that sorts by pair, then by cell, and keeps the position.

    From the highest bits: pair, cell along x and y, position in the cell along x and y.
    """
    axes = [
        np.divmod(shift[:, axis] + np.int16(MAX_SHIFT + offset), np.int16(CELL)) for axis in (0, 1)
    ]
    keys = pair.astype(np.uint64)
    for part, bits in ((0, CELL_BITS), (1, PLACE_BITS)):
        for axis in axes:
            keys <<= np.uint64(bits)
            keys |= axis[part].astype(np.uint64)
    return keys


def _mean_shifts(keys: Words, starts: Ints, counts: Ints, offset: int) -> Ints:
    """Return the mean shift, (K, 2), of each cell: `counts` votes of `keys` from `starts` on."""
    shifts = np.empty((len(starts), 2), dtype=np.int64)
    for axis in (0, 1):
        cell = _bit_field(keys[starts], 2 * PLACE_BITS + (1 - axis) * CELL_BITS, CELL_BITS)
        place = _bit_field(keys, (1 - axis) * PLACE_BITS, PLACE_BITS)
        sums = np.concatenate([[0], np.cumsum(place, dtype=np.int64)])
        mean_place = (sums[starts + counts] - sums[starts]) / counts
        pixels = np.rint(cell.astype(np.int64) * CELL + mean_place).astype(int)
        shifts[:, axis] = pixels - MAX_SHIFT - offset
    return shifts


def _nearest(pair: Ints, votes: Ints, shift: Ints, images: int) -> list[Candidate]:
    """Return the pairs that are among the nearest of one of their images, most votes first."""
    order = np.lexsort([pair, -votes])
    a, b = np.divmod(pair[order], images)
    ends = np.stack([a, b], axis=1).ravel()  # both images of each pair, in the order of the pairs
    by_image = np.argsort(ends, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(ends, minlength=images))])
    rank = np.empty(len(ends), dtype=np.int64)
    rank[by_image] = np.arange(len(ends)) - starts[ends[by_image]]
    near = rank.reshape(-1, 2).min(axis=1) < CANDIDATES_PER_IMAGE
    rows = zip(a[near], b[near], shift[order[near]], votes[order[near]], strict=True)
    return [Candidate(int(a), int(b), int(dx), int(dy), int(n)) for a, b, (dx, dy), n in rows]
