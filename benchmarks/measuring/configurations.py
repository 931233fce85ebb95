"""What is measured and for how long: configurations, options and the timed image."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import UsageError
from ...runtime.backends import choose_backend, installed_backends
from ...runtime.bundle.bundle import Bundle
from ...runtime.data.datasets import Dataset
from ...runtime.imaging import read_header
from ...runtime.machine import usable_cores, validate_threads
from ..statistics import CONFIDENCE
from ..types import SettingsBlock, TimedImage
from .sample_image import write_sample_image

SAMPLE_IMAGE = "field.jpg"  # name of the drawn image in the folder of the results


@dataclass(frozen=True)
class Configuration:
    """A bundle on a backend with a number of threads.

    Parameters
    ----------
    bundle : Bundle
    backend : str
        ``"tflite"``, ``"onnx"`` or ``"openvino"``.
    threads : int
    """

    bundle: Bundle
    backend: str
    threads: int

    @property
    def key(self) -> str:
        """The identifier of this configuration in the log of rounds.

        It holds the bundle's digest, so a bundle may be moved between two runs.
        """
        return f"{self.bundle.digest} {self.backend} {self.threads}"

    @property
    def artifact_key(self) -> str:
        """The identifier of the artifact. Its accuracy does not depend on the threads."""
        return f"{self.bundle.digest} {self.backend}"

    @property
    def title(self) -> str:
        """The name that progress messages use."""
        plural = "" if self.threads == 1 else "s"
        return f"{self.bundle.name} {self.backend} {self.threads} thread{plural}"


@dataclass(frozen=True)
class BenchmarkOptions:
    """How long and how often every configuration is measured.

    Parameters
    ----------
    seconds : float
        Timed duration of the model alone in each round, in seconds. End to end and throughput
        get half of it each.
    min_rounds, max_rounds : int
        Rounds of each configuration. Each round is a new process.
    width : float
        A configuration is finished when the interval of its median is within ± this share of the
        median.
    timeout_s : float
        A round that takes longer fails.
    """

    seconds: float = 1.0
    min_rounds: int = 3
    max_rounds: int = 10
    width: float = 0.05
    timeout_s: float = 600.0

    def settings_block(self, image: TimedImage) -> SettingsBlock:
        """Return the options as the result document stores them."""
        return {
            "seconds": self.seconds,
            "min_rounds": self.min_rounds,
            "max_rounds": self.max_rounds,
            "width": self.width,
            "confidence": CONFIDENCE,
            "image": image,
        }


def list_configurations(
    bundles: Iterable[str | Path], backends: Sequence[str] = (), threads: Sequence[int] = ()
) -> tuple[list[Configuration], list[str]]:
    """Return every configuration of some bundles.

    Parameters
    ----------
    bundles : iterable of str or Path
    backends : sequence of str
        Measure only these. By default, every installed backend that the bundle has an artifact
        for.
    threads : sequence of int
        By default 1 and the number of usable cores.

    Returns
    -------
    configurations : list of Configuration
    skipped : list of str
        One message for each artifact whose backend is not installed.

    Raises
    ------
    BundleError
        If a bundle cannot be read.
    UsageError
        If a named backend is unknown or not installed, if a bundle has no artifact for it, or if
        a bundle was named twice.
    """
    counts = sorted(set(map(validate_threads, threads))) or sorted({1, usable_cores()})
    installed = installed_backends()
    configurations: list[Configuration] = []
    skipped: list[str] = []
    for bundle in map(Bundle.open, bundles):
        if backends:
            chosen = [choose_backend(list(bundle.formats), name) for name in backends]
        else:
            chosen = [name for name in bundle.formats if name in installed]
            missing = [name for name in bundle.formats if name not in installed]
            skipped += [f"{bundle.name}: {name} is not installed here" for name in missing]
        configurations += [
            Configuration(bundle, name, count) for name in chosen for count in counts
        ]
    if len({configuration.key for configuration in configurations}) < len(configurations):
        raise UsageError("the same bundle was named twice", fix="name each bundle once")
    if not configurations:
        raise UsageError(
            "no installed engine can run an artifact of these bundles",
            allowed=installed or "none is installed",
            fix='pip install "alledge[tflite]"',
        )
    return configurations, skipped


def choose_image(
    out: Path, named: str | Path | None, dataset: Dataset | None
) -> tuple[Path, TimedImage]:
    """Return the image that is timed end to end, and its description.

    Parameters
    ----------
    out : Path
        Folder where a drawn image is stored.
    named : str or Path, optional
        The image that the user named.
    dataset : Dataset, optional
        If no image was named, its first image is used. Without a data set an image is drawn.
    """
    if named is not None:
        path, source = Path(named), "given"
    elif dataset is not None:
        path, source = dataset.samples[0].path, "data"
    else:
        path, source = out / SAMPLE_IMAGE, "drawn"
        if not path.is_file():
            write_sample_image(path)
    header = read_header(path)
    content = path.read_bytes()
    return path, {
        "source": source,
        "width": header.width,
        "height": header.height,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
