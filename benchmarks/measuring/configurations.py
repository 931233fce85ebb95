"""What is to be measured: configurations, and how long; no engine is imported here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...runtime.backends import choose_backend, installed_backends
from ...runtime.bundle.bundle import Bundle
from ...runtime.data.datasets import Dataset
from ...runtime.imaging import read_header
from ...runtime.machine import usable_cores
from ..statistics import CONFIDENCE
from .sample_image import draw_field

Json = dict[str, Any]

FIELD = "field.jpg"  # the drawn image, in the folder of the results


@dataclass(frozen=True)
class Configuration:
    """A bundle on a backend with some threads.

    Parameters
    ----------
    bundle : Bundle
    backend : str
    threads : int
    """

    bundle: Bundle
    backend: str
    threads: int

    @property
    def key(self) -> str:
        """What the ledger knows it by: the artifact, not where it lies."""
        return f"{self.bundle.digest} {self.backend} {self.threads}"

    @property
    def artifact(self) -> str:
        """What its accuracy belongs to: threads do not change it."""
        return f"{self.bundle.digest} {self.backend}"

    @property
    def title(self) -> str:
        """How progress names it."""
        plural = "" if self.threads == 1 else "s"
        return f"{self.bundle.name} {self.backend} {self.threads} thread{plural}"


@dataclass(frozen=True)
class Settings:
    """How long and how often.

    Parameters
    ----------
    seconds : float
        Timed in each round for the model alone; half of it end to end, half for throughput.
    min_rounds, max_rounds : int
        Rounds of each configuration, every one in a process of its own.
    width : float
        Rounds end where the interval of the median is within ± this share of it.
    timeout_s : float
        A round that takes longer has failed.
    """

    seconds: float = 1.0
    min_rounds: int = 3
    max_rounds: int = 10
    width: float = 0.05
    timeout_s: float = 600.0

    def to_json(self, image: Json) -> Json:
        """Return them as the documents hold them."""
        return {
            "seconds": self.seconds,
            "min_rounds": self.min_rounds,
            "max_rounds": self.max_rounds,
            "width": self.width,
            "confidence": CONFIDENCE,
            "image": image,
        }


def configurations(
    bundles: Iterable[str | Path],
    backends: Sequence[str] = (),
    threads: Sequence[int] = (),
) -> tuple[list[Configuration], list[str]]:
    """Return every configuration of some bundles, and what was left out, in words.

    Parameters
    ----------
    bundles : iterable of str or Path
    backends : sequence of str
        Only these; an error where one is not installed or a bundle has no artifact for it. By
        default every installed one that a bundle has an artifact for.
    threads : sequence of int
        By default 1 and what the machine has.

    Raises
    ------
    BundleError
        If a bundle cannot be read.
    UsageError
        If a backend is not known, a bundle has no artifact for it, or one was named twice.
    """
    counts = sorted(set(threads)) or sorted({1, usable_cores()})
    installed = installed_backends()
    found: list[Configuration] = []
    left_out: list[str] = []
    for bundle in map(Bundle.open, bundles):
        wanted = [choose_backend(list(bundle.formats), name) for name in backends]
        for name in wanted or [name for name in bundle.formats if name in installed]:
            found += [Configuration(bundle, name, count) for count in counts]
        missing = [] if wanted else [name for name in bundle.formats if name not in installed]
        left_out += [f"{bundle.name}: {name} is not installed here" for name in missing]
    if len({one.key for one in found}) < len(found):
        raise UsageError("the same bundle was named twice", fix="name each bundle once")
    if not found:
        raise UsageError(
            "no bundle has an artifact that an engine of this machine runs",
            allowed=installed or "none is installed",
            fix='pip install "alledge[tflite]"',
        )
    return found, left_out


def choose_image(out: Path, named: str | Path | None, data: Dataset | None) -> tuple[Path, Json]:
    """Return the file that is timed end to end, and how documents describe it.

    Parameters
    ----------
    out : Path
        Where a drawn one is kept.
    named : str or Path, optional
    data : Dataset, optional
        Its first image is taken where none was named; without it, one is drawn.
    """
    if named is not None:
        path, source = Path(named), "given"
    elif data is not None:
        path, source = data.samples[0].path, "data"
    else:
        path, source = out / FIELD, "drawn"
        if not path.is_file():
            draw_field(path)
    header = read_header(path)
    content = path.read_bytes()
    return path, {
        "source": source,
        "width": header.width,
        "height": header.height,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
