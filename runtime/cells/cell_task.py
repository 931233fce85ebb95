"""What a classifier does with a cell bundle: it prepares images, and judges their cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..guards.cell_guards import field_statistics, unfamiliar_crops
from ..guards.guards import Guards
from ..guards.image_statistics import image_statistics
from ..imaging import load_image
from ..metrics.decisions import Thresholds
from .field_cells import FieldCells, find_cells
from .one_cell import is_one_cell
from .results import CellResult, FieldVerdict, judge_cells, judge_field
from .types import Cell, TakenAs

if TYPE_CHECKING:
    from ..bundle.bundle import Bundle, Format
    from ..types import ImageSource

# A square is enlarged at most this much; a field with smaller cells is too small.
MAX_ENLARGEMENT = 2.0


@dataclass(frozen=True)
class PreparedCells:
    """What the model sees of an image.

    Parameters
    ----------
    kind : {"field", "cell"}
        What the image was taken as.
    cells : tuple of Cell
        In pixels of the upright original; empty for an image of one cell.
    crops : (N, S, S, 3) ndarray of uint8
        One for each cell; one for an image of one cell.
    flags : tuple of str
        Of the decoder and the guards.
    unfamiliar : tuple of bool
        Which crops the guards do not know.
    more : int
        Number of cells that were left out because there are too many.
    """

    kind: Literal["field", "cell"]
    cells: tuple[Cell, ...]
    crops: NDArray[np.uint8]
    flags: tuple[str, ...]
    unfamiliar: tuple[bool, ...] = ()
    more: int = 0


class CellTask:
    """Prepares images for the model of a cell bundle, and judges their cells; thread-safe.

    Parameters
    ----------
    bundle : Bundle
        Of the task ``"cell"``.
    artifact : Format
        Of the bundle: the one that computes the scores.

    Attributes
    ----------
    rule : FieldRule
        Of the artifact.
    """

    def __init__(self, bundle: Bundle, artifact: Format) -> None:
        assert bundle.cell_settings is not None
        assert artifact.field_rule is not None
        self._bundle, self._settings = bundle, bundle.cell_settings
        self.rule = artifact.field_rule
        self._thresholds = Thresholds(artifact.threshold, artifact.band)
        self._cell_guards = Guards(bundle.record.get("guards"))
        self._field_guards = Guards(bundle.record.get("field_guards"))

    @property
    def guarded(self) -> bool:
        """Whether fields are compared with the training fields."""
        return self._field_guards.active

    def prepare(self, source: ImageSource, taken_as: TakenAs = "auto") -> PreparedCells:
        """Return what the model sees of an image.

        Parameters
        ----------
        source : as of `load_rgb`
            No stream that can be read only once.
        taken_as : {"auto", "field", "cell"}
            ``auto``: `is_one_cell` decides.

        Raises
        ------
        ImageError
            As `load_rgb`.
        """
        if taken_as == "cell":
            return self._one_cell(source)
        field = find_cells(source, self._settings)
        if taken_as == "auto" and is_one_cell(field.rgb, field.detection):
            return self._one_cell(source)
        return PreparedCells(
            "field",
            field.cells,
            field.crops,
            self._field_flags(field),
            tuple(unfamiliar_crops(self._cell_guards, field.crops)),
            field.detection.more,
        )

    def judge(
        self, prepared: PreparedCells, scores: ArrayLike
    ) -> tuple[tuple[CellResult, ...], FieldVerdict]:
        """Return the results of the cells of a field, and the verdict on the field.

        Parameters
        ----------
        prepared : PreparedCells
            Of a field.
        scores : (N, C) array_like of float
            Calibrated scores of its crops.
        """
        labels, positive = self._bundle.labels, self._bundle.positive
        cells = judge_cells(
            prepared.cells, scores, labels, positive, self._thresholds, prepared.unfamiliar
        )
        return cells, judge_field(cells, self.rule, labels, positive, more=prepared.more)

    def _one_cell(self, source: ImageSource) -> PreparedCells:
        rgb, header = load_image(source, self._bundle.image_settings)
        flags: tuple[str, ...] = ()
        if self._cell_guards.active:
            flags = self._cell_guards.flags(image_statistics(rgb, header))
        return PreparedCells("cell", (), rgb[np.newaxis], (*header.flags, *flags))

    def _field_flags(self, field: FieldCells) -> tuple[str, ...]:
        flags = field.header.flags
        if self._field_guards.active:
            flags += self._field_guards.flags(field_statistics(field.rgb, field.header))
        crop, detection = self._settings.crop, field.detection
        side = crop.width * detection.unit * field.scale  # of a square, in pixels of the file
        if detection.unit_source != "none" and side * MAX_ENLARGEMENT < crop.size:
            flags += ("too_small",)
        return tuple(dict.fromkeys(flags))
