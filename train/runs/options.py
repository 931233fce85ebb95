"""The options of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ...errors import UsageError, unknown_name
from ...runtime.cells.settings import CellSettings
from ...runtime.data.layout_types import ReadOptions
from ...runtime.image_settings import ImageSettings
from ..fitting.recipe import Recipe
from ..networks.architectures import architecture, head_row
from .calibration_fitting import SENSITIVITY
from .types import FIELD, TASKS


@dataclass(frozen=True)
class TrainOptions:
    """The options of a training run.

    Parameters
    ----------
    model, head : str
        Names of an architecture and of a head.
    data : Path
        Folder of the data set.
    recipe : Recipe
    weights : str
        Weights that the base starts with: ``"imagenet"``, ``"none"`` or a file.
    read_options : ReadOptions
        How the data set is read.
    force : bool
        Train although the same pixels have several labels, or the base knows an image.
    split : str, optional
        As `make_split`. By default the split that the data set comes with, else grouped folds.
    folds : int
    groups : Path, optional
        CSV file with images that stay together.
    seed : int
    sensitivity : float
        Wanted at the threshold, in (0, 1].
    image_settings : ImageSettings
        Of whole fields; a run of cells does not use it.
    out : Path, optional
        Folder of the run; one under ``runs/`` by default.
    task : {"field", "cell"}
        What the network judges: the whole field, or each cell that is found in it.
    cells : CellSettings
        How cells are found and cut out, for the task ``cell``.
    more_data : tuple of Path
        Folders of further data sets, for the task ``cell``.
    cells_file : Path, optional
        CSV file with the true cells of fields, for the task ``cell``.
    """

    model: str
    data: Path
    recipe: Recipe
    head: str = "gap"
    weights: str = "imagenet"
    read_options: ReadOptions = field(default_factory=ReadOptions)
    force: bool = False
    split: str | None = None
    folds: int = 5
    groups: Path | None = None
    seed: int = 0
    sensitivity: float = SENSITIVITY
    image_settings: ImageSettings = field(default_factory=ImageSettings)
    out: Path | None = None
    task: str = FIELD
    cells: CellSettings = field(default_factory=CellSettings)
    more_data: tuple[Path, ...] = ()
    cells_file: Path | None = None

    @property
    def model_input(self) -> ImageSettings:
        """How an image becomes what the model sees; of cells, an image of one cell."""
        if self.task == FIELD:
            return self.image_settings
        size = self.cells.crop.size
        return ImageSettings(size=size, draft=2 * size)


def check_options(options: TrainOptions) -> None:
    """Check the options that can be checked without reading a file.

    Raises
    ------
    UsageError
        If there is no such model, head or task, the sensitivity is outside its range, or several
        data sets or a table of cells are given for whole fields.
    """
    architecture(options.model)
    head_row(options.head)
    if options.task not in TASKS:
        raise unknown_name("task", options.task, TASKS)
    if not 0 < options.sensitivity <= 1:
        raise UsageError(f"the sensitivity is {options.sensitivity}", allowed="above 0, at most 1")
    if options.task == FIELD and options.more_data:
        raise UsageError(
            f"the task field takes one data set, and {1 + len(options.more_data)} are given",
            fix="--task cell, which brings the cells of all of them to one scale",
        )
    if options.task == FIELD and options.cells_file:
        raise UsageError("--cells is given for the task field", fix="--task cell")
