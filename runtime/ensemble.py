"""Several bundles as one model: the mean of their calibrated scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .backends import AUTO, BACKENDS, choose_backend
from .digests import sha256
from .engine_scores import EngineScores, Outputs, outputs_of_crops

if TYPE_CHECKING:
    from .bundle.bundle import Bundle, Format
    from .types import RGB


class Identity(NamedTuple):
    """How records name what answered.

    Parameters
    ----------
    name, digest : str
        Of the bundle; of several, the names with `` + `` between them, and the SHA-256 of their
        digests.
    members : tuple of (str, str)
        Name and digest of each of several bundles.
    """

    name: str
    digest: str
    members: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of_bundles(cls, bundles: Sequence[Bundle]) -> Identity:
        """Return the identity of one bundle or of several, in their order."""
        if len(bundles) == 1:
            return cls(bundles[0].name, bundles[0].digest)
        digest = sha256("\n".join(bundle.digest for bundle in bundles).encode()).hexdigest()
        members = tuple((bundle.name, bundle.digest) for bundle in bundles)
        return cls(" + ".join(bundle.name for bundle in bundles), f"sha256:{digest}", members)


def check_members(bundles: Sequence[Bundle]) -> None:
    """Refuse bundles whose scores are not of the same pixels and labels.

    Raises
    ------
    UsageError
        If one is named twice, or task, labels, image settings or settings of cells differ.
    """
    first = bundles[0]
    for number, bundle in enumerate(bundles[1:], 1):
        if bundle.digest in [row.digest for row in bundles[:number]]:
            raise UsageError(f"the bundle {bundle.name} is named twice")
        for what, own, other in (
            ("task", first.task, bundle.task),
            ("labels", first.labels, bundle.labels),
            ("positive labels", first.positive, bundle.positive),
            ("image settings", first.image_settings, bundle.image_settings),
            ("settings of cells", first.cell_settings, bundle.cell_settings),
        ):
            if own != other:
                raise UsageError(
                    f"{bundle.name} and {first.name} cannot answer together: they differ in {what}",
                    fix="--bundle with bundles of runs that have the same data and settings",
                )


def common_backend(bundles: Sequence[Bundle], wanted: str = AUTO) -> str:
    """Return the backend that runs every bundle.

    Parameters
    ----------
    bundles : sequence of Bundle
    wanted : str
        As `choose_backend`.

    Returns
    -------
    str

    Raises
    ------
    UsageError
        If the backend is unknown, a bundle has no artifact for it, or no format is in all bundles.
    MissingPackageError
        As `choose_backend`.
    """
    common = [name for name in BACKENDS if all(name in row.formats for row in bundles)]
    if wanted in BACKENDS and wanted not in common:
        lacking = [row.name for row in bundles if wanted not in row.formats]
        raise UsageError(
            f"{' and '.join(lacking)} {'has' if len(lacking) == 1 else 'have'} no artifact for "
            f"{wanted}",
            allowed=common,
            fix=f"--backend {common[0]}" if common else f"export with --format {wanted}",
        )
    if not common:
        formats = "; ".join(f"{row.name} has {', '.join(row.formats)}" for row in bundles)
        raise UsageError(
            f"no engine runs all bundles: {formats}", fix="export them again with the same --format"
        )
    return choose_backend(common, wanted)


def mean_rule(artifacts: Sequence[Format]) -> Format:
    """Return the first format, with the mean threshold and band of all."""
    low, high = np.mean([row.band for row in artifacts], axis=0)
    threshold = float(np.mean([row.threshold for row in artifacts]))
    return dataclasses.replace(artifacts[0], threshold=threshold, band=(float(low), float(high)))


class MeanScores:
    """The mean of the calibrated scores of several models; as `EngineScores`.

    Parameters
    ----------
    members : sequence of EngineScores
    """

    def __init__(self, members: Sequence[EngineScores]) -> None:
        self._members = tuple(members)

    def of_image(self, rgb: RGB) -> Outputs:
        """Return the mean scores of an image or a cell; without features."""
        rows = [member.of_image(rgb).scores for member in self._members]
        return Outputs(np.mean(rows, axis=0))

    def of_crops(self, crops: NDArray[np.uint8], workers: int) -> list[Outputs]:
        """As `EngineScores.of_crops`."""
        return outputs_of_crops(self.of_image, crops, workers)

    def all_hang(self, requests: int, limit_s: float | None) -> bool:
        """Return whether every request of one of the engines runs longer than the time limit."""
        return any(member.all_hang(requests, limit_s) for member in self._members)
