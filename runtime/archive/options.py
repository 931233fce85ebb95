"""The options of ``alledge archive SOURCE``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cells.types import TakenAs

PART_ROWS = 4096
FLUSH_S = 60.0  # of work that a killed process loses at most


@dataclass(frozen=True)
class ArchiveOptions:
    """What to classify, with what, and where the results go.

    Parameters
    ----------
    sources : tuple of str
        As `ArchiveSource`.
    out : str
        Folder or URL of the results.
    bundles : tuple of str
        Several answer together; none: as ``classify``.
    backend, threads, site, home, taken_as, timeout_s
        As ``classify``.
    retry_errors : bool
        Classify again what is an error in the results.
    part_rows : int
        Rows of a part.
    ray : str or None
        ``"local"``, ``"auto"`` or an address; None works on this machine without Ray.
    worker_cpus : int
        Of each Ray worker.
    worker_gpus : float
        Of each Ray worker; may be a part of one.
    """

    sources: tuple[str, ...]
    out: str
    bundles: tuple[str, ...] = ()
    backend: str = "auto"
    threads: int | None = None
    site: str | None = None
    home: str | None = None
    taken_as: TakenAs = "auto"
    timeout_s: float = 120.0
    retry_errors: bool = False
    part_rows: int = PART_ROWS
    ray: str | None = None
    worker_cpus: int = 1
    worker_gpus: float = 0.0
