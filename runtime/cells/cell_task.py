"""What a classifier does with a cell bundle: it prepares images, and judges their cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..guards.cell_guards import field_statistics, unfamiliar_crops
from ..guards.guards import Guards
from ..guards.image_statistics import image_statistics
from ..guards.measurements import Measurements
from ..guards.site_setup import SiteSetup, with_setup
from ..metrics.decisions import Thresholds
from .field_rule import SMUDGE, count_cells
from .results import CellResult, FieldVerdict, judge_cells, judge_field
from .single_cell import Kind, find_image_cells
from .types import Cell, TakenAs

if TYPE_CHECKING:
    from ..bundle.bundle import Bundle, Format
    from ..previews import Preview
    from ..types import GuardsRecord, ImageSource, Statistics
    from .field_cells import FieldCells
    from .field_rule import FieldRule
    from .settings import CellSettings

# A square is enlarged at most this much; a field with smaller cells is too small.
MAX_ENLARGEMENT = 2.0
# What the model calls no leucocyte on a microscope that it does not know is often one: it learned
# that label from smudges and deposits of the training microscopes. There the detector decides,
# unless the model is this sure. The least value of 0.6, 0.7, 0.8 and 0.9 with which at most 5 % of
# the leucocytes of a microscope that was left out of training were lost (docs/cells.md).
LEAST_OTHER = 0.7


@dataclass(frozen=True)
class PreparedCells:
    """What the model sees of an image.

    Parameters
    ----------
    kind : {"field", "cell"}
        What the image was taken as.
    cells : tuple of Cell
        In pixels of the upright original; the one in the centre for an image of one cell.
    crops : (N, S, S, 3) ndarray of uint8
        One for each cell.
    flags : tuple of str
        Of the decoder and the guards.
    unfamiliar : tuple of bool
        Which crops the guards do not know.
    more : int
        Number of cells that were left out because there are too many.
    preview : Preview or None
        If one was asked for.
    measurements : Measurements or None
        Of a field, if they were asked for.
    """

    kind: Kind
    cells: tuple[Cell, ...]
    crops: NDArray[np.uint8]
    flags: tuple[str, ...]
    unfamiliar: tuple[bool, ...] = ()
    more: int = 0
    preview: Preview | None = None
    measurements: Measurements | None = None


class CellTask:
    """Prepares images for the model of a cell bundle, and judges their cells; thread-safe.

    Parameters
    ----------
    settings : CellSettings
    labels, positive : sequence of str
    thresholds : Thresholds
        Of cells.
    rule : FieldRule
    guards, field_guards : dict or None
        Of the training cells, and of the training fields.

    Raises
    ------
    BundleError
        If the guards are damaged or of another version.
    """

    def __init__(
        self,
        settings: CellSettings,
        labels: Sequence[str],
        positive: Sequence[str],
        thresholds: Thresholds,
        rule: FieldRule,
        guards: GuardsRecord | None = None,
        field_guards: GuardsRecord | None = None,
    ) -> None:
        self._settings = settings
        self.labels, self.positive = tuple(labels), tuple(positive)
        self.thresholds, self.rule = thresholds, rule
        self._cell_guards, self._field_guards = Guards(guards), Guards(field_guards)

    @classmethod
    def of_bundle(
        cls, bundle: Bundle, artifact: Format, setup: SiteSetup | None = None
    ) -> CellTask:
        """Return the task of a bundle of the task ``"cell"``, with the thresholds of a format.

        The guards of fields also know the imaging setup of a site, if one is given.
        """
        settings, rule = bundle.cell_settings, artifact.field_rule
        assert settings is not None
        assert rule is not None
        return cls(
            settings,
            bundle.labels,
            bundle.positive,
            Thresholds(artifact.threshold, artifact.band),
            rule,
            bundle.record.get("guards"),
            with_setup(bundle.record.get("field_guards"), setup),
        )

    @property
    def guarded(self) -> bool:
        """Whether images are compared with those of training."""
        return self._field_guards.active or self._cell_guards.active

    def prepare(
        self,
        source: ImageSource,
        taken_as: TakenAs = "auto",
        *,
        preview: bool = False,
        measurements: bool = False,
    ) -> PreparedCells:
        """Return what the model sees of an image.

        Parameters
        ----------
        source : as of `load_rgb`
            No stream that can be read only once.
        taken_as : {"auto", "field", "cell"}
            ``auto``: `is_one_cell` decides.
        preview : bool
            Make a preview of the image too.
        measurements : bool
            Give what the guards of fields compare too, also where the bundle has none.

        Raises
        ------
        ImageError
            As `load_rgb`.
        """
        kind, image = find_image_cells(source, self._settings, taken_as)
        picture = None
        if preview:
            from ..previews import preview_of_field

            picture = preview_of_field(image.rgb, image.header)
        if kind == "cell":
            return replace(self._prepared_cell(image), preview=picture)
        return replace(self._prepared_field(image, measurements), preview=picture)

    def prepare_field(self, source: ImageSource) -> tuple[FieldCells, PreparedCells]:
        """Return a field, and what the model sees of it; as `prepare`."""
        _, image = find_image_cells(source, self._settings, "field")
        return image, self._prepared_field(image)

    def judge(
        self, prepared: PreparedCells, scores: ArrayLike
    ) -> tuple[tuple[CellResult, ...], FieldVerdict]:
        """Return the results of the cells of an image, and the verdict on the image.

        Parameters
        ----------
        prepared : PreparedCells
        scores : (N, C) array_like of float
            Calibrated scores of its crops.
        """
        labels, positive = self.labels, self.positive
        cells = judge_cells(
            prepared.cells,
            scores,
            labels,
            positive,
            self.thresholds,
            prepared.unfamiliar or None,
            least_other=LEAST_OTHER if "unfamiliar_microscope" in prepared.flags else 0.0,
        )
        if prepared.kind == "field":
            return cells, judge_field(cells, self.rule, labels, positive, more=prepared.more)
        [cell], [row] = cells, np.asarray(scores)
        return cells, FieldVerdict(
            cell.label,
            cell.probability,
            dict(zip(labels, map(float, row), strict=True)),
            "indeterminate" in cell.flags,
            count_cells([cell.label], [cell.flags], positive),
        )

    def threshold(self, prepared: PreparedCells) -> float:
        """Return the threshold of the verdict on an image: of fields, or of cells."""
        return (self.rule if prepared.kind == "field" else self.thresholds).threshold

    def flags(self, prepared: PreparedCells, verdict: FieldVerdict) -> tuple[str, ...]:
        """Return the reasons why a person should look at an image."""
        flags = prepared.flags + ("indeterminate",) * verdict.indeterminate
        return flags + ("too_few_cells",) * (verdict.label is None)

    def _prepared_field(self, image: FieldCells, measure: bool = False) -> PreparedCells:
        unfamiliar = tuple(unfamiliar_crops(self._cell_guards, image.crops))
        statistics = None
        if measure or self._field_guards.active:
            statistics = field_statistics(image.rgb, image.header)
        return PreparedCells(
            "field",
            image.cells,
            image.crops,
            self._field_flags(image, unfamiliar, statistics),
            unfamiliar,
            image.detection.more,
            measurements=None if statistics is None else Measurements(image.header, statistics),
        )

    def _prepared_cell(self, single: FieldCells) -> PreparedCells:
        flags = single.header.flags
        if self._cell_guards.active:
            flags += self._cell_guards.flags(image_statistics(single.crops[0]))
        if not single.has_nucleus or SMUDGE in single.cells[0].flags:
            flags += ("too_few_cells",)
        return PreparedCells("cell", single.cells, single.crops, flags)

    def _field_flags(
        self, field: FieldCells, unfamiliar: Sequence[bool], statistics: Statistics | None
    ) -> tuple[str, ...]:
        flags = field.header.flags
        if self._field_guards.active and statistics is not None:
            flags += self._field_guards.flags(statistics)
        elif 2 * sum(unfamiliar) > len(unfamiliar):  # a model of images of one cell
            flags += ("off_domain",)
        crop, detection = self._settings.crop, field.detection
        side = crop.width * detection.unit * field.scale  # of a square, in pixels of the file
        if detection.unit_source != "none" and side * MAX_ENLARGEMENT < crop.size:
            flags += ("too_small",)
        return tuple(dict.fromkeys(flags))
