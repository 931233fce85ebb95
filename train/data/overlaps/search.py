"""Finds images that show the same content: duplicates, overlapping fields and crops of a field.

Perceptual hashes select the most similar pairs, alignment and correlation decide. The result is
cached under a digest of the images. Imports no tensorflow.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from ....errors import ImageError
from ....runtime.caches import with_cache
from ....runtime.imaging import read_header
from . import alignment as alignment_module
from . import candidates as candidates_module
from . import landmarks as landmarks_module
from .alignment import COARSE_SCORE, Alignment, Grey, Overlap, align_coarsely, verify_overlap
from .candidates import Candidate, candidates
from .landmarks import Signature, common_level, compute_signature, load_grey

PAIRS_FILE = "pairs.json"
OPEN_IMAGES = 24  # images in memory at their own scale while pairs are verified
# (stage, number of finished items, number of items)
Progress = Callable[[str, int, int], None]
T = TypeVar("T")
R = TypeVar("R")


def find_overlaps(paths: Sequence[Path], progress: Progress | None = None) -> list[Overlap]:
    """Return every pair of images that show the same content.

    Fields may be shifted against each other, but not rotated, mirrored or scaled. Whole images may
    be scaled.

    Parameters
    ----------
    paths : sequence of Path
        Images. One that cannot be read overlaps with none.
    progress : callable, optional
        Called with the stage ("reading", "hashing", "aligning", "verifying"), the number of
        finished items and the number of items. Only "reading" occurs if the result is cached.

    Returns
    -------
    list of Overlap
        In the order of their indices.

    Examples
    --------
    >>> pairs = [(overlap.a, overlap.b) for overlap in find_overlaps(paths)]  # doctest: +SKIP
    """
    from threadpoolctl import threadpool_limits

    report = progress or (lambda stage, done, total: None)
    digests = _map_threaded(_content_digest, paths, "reading", report)
    overlaps: list[Overlap] = []

    def read_or_search(folder: Path | None) -> None:
        file = folder / PAIRS_FILE if folder else None
        if file is not None and file.is_file():
            rows = json.loads(file.read_text(encoding="utf-8"))
            overlaps.extend(Overlap(**{**row, "shares": tuple(row["shares"])}) for row in rows)
            return
        with threadpool_limits(1):  # the images already occupy all cores
            overlaps.extend(_search(paths, report))
        if file is not None:
            rows = [asdict(overlap) for overlap in overlaps]
            file.write_text(json.dumps(rows), encoding="utf-8")

    with_cache(f"overlaps-{_digest([_code_digest(), *digests])[:32]}", read_or_search)
    return overlaps


def _search(paths: Sequence[Path], report: Progress) -> list[Overlap]:
    level = common_level([_longer_side(path) for path in paths])
    signatures = _map_threaded(
        lambda path: compute_signature(path, level), paths, "hashing", report
    )
    alignments = _map_threaded(
        lambda candidate: _align(signatures, candidate), candidates(signatures), "aligning", report
    )
    best: dict[tuple[int, int], Alignment] = {}
    for alignment in alignments:
        pair = (alignment.candidate.a, alignment.candidate.b)
        if alignment.score >= COARSE_SCORE and (
            pair not in best or alignment.score > best[pair].score
        ):
            best[pair] = alignment

    @lru_cache(maxsize=OPEN_IMAGES)
    def load(index: int) -> Grey | None:
        return load_grey(paths[index], 1)

    verified = _map_threaded(
        lambda alignment: verify_overlap(alignment, level.factor, load),
        [best[pair] for pair in sorted(best)],
        "verifying",
        report,
    )
    return [overlap for overlap in verified if overlap is not None]


def _align(signatures: Sequence[Signature | None], candidate: Candidate) -> Alignment:
    one, other = signatures[candidate.a], signatures[candidate.b]
    if one is None or other is None:
        return Alignment(candidate, -1.0, 0, 0)
    return align_coarsely(one, other, candidate)


def _map_threaded(
    work: Callable[[T], R], items: Sequence[T], stage: str, report: Progress
) -> list[R]:
    """Apply `work` to every item on all cores. Decoding and filtering release Python's lock."""
    results = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for result in pool.map(work, items):
            results.append(result)
            report(stage, len(results), len(items))
    return results


def _content_digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "unreadable"


def _longer_side(path: Path) -> int:
    try:
        header = read_header(path)
    except ImageError:
        return 1
    return max(header.width, header.height)


def _code_digest() -> str:
    """Return the digest of the search's own code: changed code may give another result."""
    modules = (alignment_module, candidates_module, landmarks_module)
    return _digest([Path(str(module.__file__)).read_text(encoding="utf-8") for module in modules])


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode("utf-8", "surrogateescape")).hexdigest()
