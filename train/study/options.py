"""The options of a study, and the checks of them that need no image.

Keras is imported only if a file of weights does not contain as many numbers as its base.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import UsageError, unknown_name
from ...runtime.cells.settings import CellSettings
from ...runtime.data.layout_types import ReadOptions
from ...runtime.image_settings import ImageSettings
from ..data.examples import match_images, read_rows
from ..data.split_types import SPLITS
from ..networks.architectures import architecture, head_row
from ..networks.base_weights import weights_file


@dataclass(frozen=True)
class StudyOptions:
    """The options of a study.

    Parameters
    ----------
    data : Path
        Folder of the data set.
    more_data : tuple of Path
        Further data sets, for cells only.
    cells_file : Path, optional
        CSV file with the truth of the cells of fields.
    models : tuple of str
    weights : dict of str to str
        ``"imagenet"``, ``"none"`` or a file, for every model.
    head : str
    splits : tuple of str
        Names or files, as `make_split` takes them. If empty, the split that the data set comes
        with, else paper, grouped and camera.
    optional : tuple of str
        Splits that are left out, with a note, if the data set does not allow them.
    folds : int
    trials : int
        Per fold and model.
    passes : int
        Augmented passes for each strength of augmentation.
    seed : int
    fine_tune : tuple of str
        Models whose base is fine-tuned, beside the head on frozen features.
    read_options : ReadOptions
        How the data set is read.
    force : bool
        Train although the same pixels have several labels, or a base knows an image.
    groups : Path, optional
        CSV file with images that stay together.
    image_settings : ImageSettings
        Its size is that of the crops if `cells` is set.
    cells : CellSettings, optional
        How cells are found and cut out. None judges whole fields.
    beside : Path, optional
        ``study.json`` of the whole-field study, whose figures the page shows beside those of cells.
    adoption, laboratories : Path, optional
        As `other_microscopes`, for cells only.
    """

    data: Path
    models: tuple[str, ...]
    weights: dict[str, str]
    head: str = "gap"
    splits: tuple[str, ...] = ("grouped",)
    optional: tuple[str, ...] = ()
    folds: int = 5
    trials: int = 16
    passes: int = 3
    seed: int = 0
    fine_tune: tuple[str, ...] = ()
    read_options: ReadOptions = field(default_factory=ReadOptions)
    force: bool = False
    groups: Path | None = None
    image_settings: ImageSettings = field(default_factory=ImageSettings)
    cells: CellSettings | None = None
    more_data: tuple[Path, ...] = ()
    cells_file: Path | None = None
    beside: Path | None = None
    adoption: Path | None = None
    laboratories: Path | None = None


def check_names(options: StudyOptions) -> None:
    """Check the names of models, head and splits, and the number of data sets.

    Raises
    ------
    UsageError
        If several data sets, or the truth of cells, are given for whole fields.
        If there is no such model, head or split, or a model of `fine_tune` is not in `models`.
    """
    if options.more_data and options.cells is None:
        raise UsageError(
            f"a study of fields takes one data set, and {1 + len(options.more_data)} are given",
            fix="--task cell, or one --data",
        )
    if options.cells_file and options.cells is None:
        raise UsageError(
            "--cells is an option of cells, and the task is field", fix="--task cell, or no --cells"
        )
    for model in (*options.models, *options.fine_tune):
        architecture(model)
    head_row(options.head)
    for kind in options.splits:
        if kind not in SPLITS and not kind.lower().endswith(".csv"):
            raise unknown_name("split", kind, (*SPLITS, "FILE.csv"))
    if missing := [model for model in options.fine_tune if model not in options.models]:
        raise UsageError(
            f"{missing[0]} is to be fine-tuned but is not one of the models of this study",
            allowed=", ".join(options.models),
        )


def check_files(options: StudyOptions, names: tuple[str, ...]) -> None:
    """Check the files of splits, groups and weights.

    Parameters
    ----------
    options : StudyOptions
    names : tuple of str
        The images of all data sets.

    Raises
    ------
    UsageError
        If a file of weights does not exist or is of another architecture.
    DataError
        If a file of a split or of groups does not match the data set.
    """
    files = [(Path(kind), "fold") for kind in options.splits if kind not in SPLITS]
    if options.groups is not None:
        files.append((options.groups, "group"))
    for path, column in files:
        rows = read_rows(path, ("image", column))
        match_images(names, (row["image"] for row in rows), path)
    for model in options.models:
        _check_weights(model, options)


def split_name(kind: str) -> str:
    """Return the name of a split in storages: of a file, its name and a hash of its content.

    The path may differ between the machines that share a study.
    """
    if kind in SPLITS:
        return kind
    path = Path(kind)
    content = path.read_text(encoding="utf-8-sig")  # the same on Windows and Linux
    return f"{path.name}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def _check_weights(model: str, options: StudyOptions) -> None:
    """Load a file of weights, unless it contains as many numbers as the base.

    No two bases have the same number. Loading raises the error that says what is wrong.
    """
    path, row = weights_file(options.weights[model]), architecture(model)
    if path is None or _count_numbers(path) == row.base_parameters + row.norm_statistics:
        return
    from ..networks.network import build

    build(model, weights=path, size=options.image_settings.size)


def _count_numbers(path: Path) -> int | None:
    """Return how many numbers a file of weights contains; None if it cannot be read."""
    import h5py  # type: ignore[import-untyped]

    sizes: list[int] = []

    def visit(_: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset):
            sizes.append(int(entry.size))

    try:
        with h5py.File(path) as file:
            file.visititems(visit)
    except OSError:
        return None
    return sum(sizes)
