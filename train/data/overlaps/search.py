"""Images that show the same: duplicates, overlapping fields, crops of a field; found by looking.

Perceptual hashes name the nearest twenty of every image, alignment and correlation decide. What
was found is kept by content, so that the same images are compared once. Imports no tensorflow.
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

from ....runtime.caches import with_cache
from ....runtime.imaging import read_header
from . import alignment, landmarks
from . import candidates as overlaps_candidates
from .alignment import COARSE_SCORE, Grey, Overlap, closely, roughly
from .candidates import Candidate, candidates
from .landmarks import Level, Signature, common_level, load_grey, sign

PAIRS = "pairs.json"
LARGE = 24  # images kept open at their own scale
# (what is being done, how many are done, of how many)
Progress = Callable[[str, int, int], None]
T = TypeVar("T")
R = TypeVar("R")


def find_overlaps(paths: Sequence[Path], progress: Progress | None = None) -> list[Overlap]:
    """Return every pair of images found to show the same.

    Parameters
    ----------
    paths : sequence of Path
        Images; one that cannot be read overlaps with none.
    progress : callable, optional
        Told what is being done, how many are done, and of how many.

    Returns
    -------
    list of Overlap
        In the order of their indices; fields may be shifted, not turned, mirrored or scaled
        (whole images may be scaled).
    """
    from threadpoolctl import threadpool_limits

    tell = progress or (lambda what, done, total: None)
    contents = _each(_content, paths, lambda done: tell("hashing", done, len(paths)))
    found: list[Overlap] = []

    def use(folder: Path | None) -> None:
        kept = folder / PAIRS if folder else None
        if kept is not None and kept.is_file():
            rows = json.loads(kept.read_text(encoding="utf-8"))
            found.extend(Overlap(**{**row, "shares": tuple(row["shares"])}) for row in rows)
            return
        with threadpool_limits(1):  # the images are spread over the cores, not their products
            found.extend(_find(paths, tell))
        if kept is not None:
            kept.write_text(json.dumps([asdict(one) for one in found]), encoding="utf-8")

    with_cache(f"overlaps-{_digest([_code(), *contents])[:32]}", use)
    return found


def _find(paths: Sequence[Path], tell: Progress) -> list[Overlap]:
    level = common_level([_longer_side(path) for path in paths])
    signatures = _each(
        lambda path: sign(path, level), paths, lambda done: tell("hashing", done, len(paths))
    )
    pairs = candidates(signatures)
    rough = _each(
        lambda pair: _roughly(signatures, pair),
        pairs,
        lambda done: tell("aligning", done, len(pairs)),
    )
    best: dict[tuple[int, int], tuple[float, int, int, Candidate]] = {}
    for pair, (score, dx, dy) in zip(pairs, rough, strict=True):
        key = (pair.a, pair.b)
        if score >= COARSE_SCORE and (key not in best or score > best[key][0]):
            best[key] = (score, dx, dy, pair)
    return _verify(paths, level, [best[key] for key in sorted(best)], tell)


def _verify(
    paths: Sequence[Path],
    level: Level,
    aligned: list[tuple[float, int, int, Candidate]],
    tell: Progress,
) -> list[Overlap]:
    @lru_cache(maxsize=LARGE)
    def load(index: int) -> Grey | None:
        return load_grey(paths[index], 1)

    found = _each(
        lambda one: closely(one[3], one[1], one[2], level.factor, load),
        aligned,
        lambda done: tell("verifying", done, len(aligned)),
    )
    return [one for one in found if one is not None]


def _roughly(signatures: Sequence[Signature | None], pair: Candidate) -> tuple[float, int, int]:
    one, other = signatures[pair.a], signatures[pair.b]
    return roughly(one, other, pair) if one and other else (-1.0, 0, 0)


def _each(work: Callable[[T], R], items: Sequence[T], done: Callable[[int], None]) -> list[R]:
    """Do the work of every item on all cores; decoding and filtering let go of Python's lock."""
    results = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for result in pool.map(work, items):
            results.append(result)
            done(len(results))
    return results


def _content(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return "unreadable"


def _longer_side(path: Path) -> int:
    from ....errors import ImageError

    try:
        header = read_header(path)
    except ImageError:
        return 1
    return max(header.width, header.height)


def _code() -> str:
    """Return the digest of what finds: another way of finding is another answer."""
    modules = (alignment, overlaps_candidates, landmarks)
    return _digest([Path(str(module.__file__)).read_text(encoding="utf-8") for module in modules])


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
