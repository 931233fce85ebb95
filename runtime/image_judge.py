"""From the scores of an image to its result: the labels, thresholds and guards of a bundle.

Needs no engine; `classifier` has the scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from .ensemble import Identity
from .guards.guards import Guards
from .guards.image_statistics import image_statistics
from .guards.site_setup import with_setup
from .metrics.decisions import Thresholds, decide
from .records import Result

if TYPE_CHECKING:
    from .bundle.bundle import Bundle, Format
    from .cells.cell_task import CellTask, PreparedCells
    from .imaging import Header
    from .sites.profile import SiteProfile
    from .types import RGB, Statistics

Scores = NDArray[np.float64]


class ImageJudge:
    """Judges images by their scores, as a bundle says; thread-safe.

    Parameters
    ----------
    bundle : Bundle
    artifact : Format
        What computes the scores, with the thresholds to use: each format has its own, and a site.
    site : SiteProfile, optional
        Named in every result.
    identity : Identity, optional
        How results name what answered; by default the bundle.

    Attributes
    ----------
    cells : CellTask or None
        How a cell bundle judges images; None for a bundle that judges whole fields.
    """

    def __init__(
        self,
        bundle: Bundle,
        artifact: Format,
        site: SiteProfile | None = None,
        identity: Identity | None = None,
    ) -> None:
        self._bundle, self._backend = bundle, artifact.name
        self._identity = identity or Identity.of_bundles([bundle])
        self._site = None if site is None else site.label
        self._thresholds = Thresholds(artifact.threshold, artifact.band)
        setup = None if site is None else site.setup
        is_cell = bundle.task == "cell"
        record = bundle.record.get("guards")
        self._guards = Guards(record if is_cell else with_setup(record, setup))
        self.cells: CellTask | None = None
        if is_cell:
            from .cells.cell_task import CellTask  # a model of fields needs none of it

            self.cells = CellTask.of_bundle(bundle, artifact, setup)

    @property
    def guarded(self) -> bool:
        """As `Classifier.guarded`."""
        return self._guards.active if self.cells is None else self.cells.guarded

    @property
    def threshold(self) -> float:
        """As `Classifier.threshold`."""
        return self._thresholds.threshold if self.cells is None else self.cells.rule.threshold

    def check_judges_cells(self, use: str) -> CellTask:
        """As `Classifier.check_judges_cells`."""
        if self.cells is None:
            raise UsageError(
                f"{use} from its cells, and {self._bundle.name} judges whole fields",
                allowed="a bundle of the task cell",
                fix="--bundle with a bundle that `alledge export` made of a run of --task cell",
            )
        return self.cells

    def flags(
        self, rgb: RGB, header: Header, statistics: Statistics | None = None
    ) -> tuple[str, ...]:
        """Return the flags of the decoder and the guards for an image of a field bundle.

        The statistics are those of the image, if they are known already.
        """
        if not self._guards.active:
            return header.flags
        return (*header.flags, *self._guards.flags(statistics or image_statistics(rgb, header)))

    def judge(self, name: str | None, flags: tuple[str, ...], scores: Scores) -> Result:
        """Return the result of an image that the model sees as a whole, without its time.

        Parameters
        ----------
        name : str or None
            Of the image.
        flags : tuple of str
            Of the decoder and the guards.
        scores : (C,) ndarray of float64
            Calibrated.
        """
        labels = self._bundle.labels
        verdict = decide(scores[np.newaxis], labels, self._bundle.positive, self._thresholds)[0]
        flags += ("indeterminate",) if verdict.indeterminate else ()
        return replace(
            self.result(name, flags),
            label=verdict.label,
            probability=verdict.probability,
            scores=dict(zip(labels, map(float, scores), strict=True)),
        )

    def judge_cells(
        self, name: str | None, prepared: PreparedCells, scores: Sequence[Scores]
    ) -> Result:
        """Return the result of an image of a cell bundle, without its time.

        Parameters
        ----------
        name : str or None
            Of the image.
        prepared : PreparedCells
        scores : sequence of (C,) ndarray of float64
            Calibrated, of each cell.
        """
        task = self.cells
        assert task is not None
        cells, verdict = task.judge(prepared, scores)
        return replace(
            self.result(name, task.flags(prepared, verdict)),
            label=verdict.label,
            probability=verdict.probability,
            scores=verdict.scores,
            threshold=task.threshold(prepared),
            kind=prepared.kind,
            cells=cells,
            counts=verdict.counts,
        )

    def result(self, name: str | None, flags: tuple[str, ...] = ()) -> Result:
        """Return a result that has no label yet."""
        return Result(
            image=name,
            status="review" if flags else "ok",
            label=None,
            probability=None,
            scores=None,
            threshold=self.threshold,
            flags=flags,
            bundle=self._identity.name,
            digest=self._identity.digest,
            members=self._identity.members,
            backend=self._backend,
            ms=0.0,
            task=self._bundle.task,
            site=self._site,
        )

    def error_result(self, name: str | None, error: str, seconds: float) -> Result:
        """Return the result of an image that has no answer."""
        return replace(self.result(name), status="error", ms=seconds * 1000, error=error)
