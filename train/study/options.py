"""What a user asks of a study, and what of it is refused before images are compared.

Keras is loaded only where a file of weights does not hold as many numbers as its base.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import UsageError, unknown_name
from ...runtime.data.datasets import Dataset
from ...runtime.image_settings import ImageSettings
from ..data.examples import find_images, read_rows
from ..data.splits import SPLITS
from ..networks.architectures import architecture, head_row
from ..networks.base_weights import weights_file


@dataclass(frozen=True)
class StudyOptions:
    """What a user asks of a study.

    Parameters
    ----------
    data : Path
    models : tuple of str
    weights : dict of str to str
        ``"imagenet"``, ``"none"`` or a file, for every model.
    head : str
    splits : tuple of str
        As `make_split` takes them.
    optional : tuple of str
        Splits that are left out, with a note, where the data set does not allow them.
    folds, trials, passes, seed : int
        Passes are augmented ones, for each strength.
    fine_tune : tuple of str
        Models whose base is fine-tuned too, beside the head on frozen features.
    layout : str, optional
    groups : Path, optional
    image_settings : ImageSettings
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
    layout: str | None = None
    groups: Path | None = None
    image_settings: ImageSettings = field(default_factory=ImageSettings)


def check_names(order: StudyOptions) -> None:
    """Refuse names that are none.

    Raises
    ------
    UsageError
        If there is no such model, head or split, or a model is to be fine-tuned only.
    """
    for model in (*order.models, *order.fine_tune):
        architecture(model)
    head_row(order.head)
    for kind in order.splits:
        if kind not in SPLITS and not kind.lower().endswith(".csv"):
            raise unknown_name("split", kind, (*SPLITS, "FILE.csv"))
    if strange := [model for model in order.fine_tune if model not in order.models]:
        raise UsageError(
            f"{strange[0]} is to be fine-tuned but is not one of the models of this study",
            allowed=", ".join(order.models),
        )


def check_files(order: StudyOptions, dataset: Dataset) -> None:
    """Refuse files of splits, groups and weights that do not fit.

    Raises
    ------
    UsageError
        If there is no file of weights, or it does not fit its base.
    DataError
        If a file of a split or of groups does not agree with the data set.
    """
    names = tuple(dataset.relative(sample) for sample in dataset.samples)
    files = [(Path(kind), "fold") for kind in order.splits if kind not in SPLITS]
    if order.groups is not None:
        files.append((order.groups, "group"))
    for path, column in files:
        rows = read_rows(path, ("image", column))
        find_images(names, (row["image"] for row in rows), path)
    for model in order.models:
        _check_weights(model, order)


def split_name(kind: str) -> str:
    """Return what a split is called in storages: a file by its own name and its content.

    The path as typed would name folders, and would be another one on another machine.
    """
    if kind in SPLITS:
        return kind
    path = Path(kind)
    content = path.read_text(encoding="utf-8-sig")  # the same whatever ends its lines
    return f"{path.name}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def _check_weights(model: str, order: StudyOptions) -> None:
    """Load a file of weights, unless it holds as many numbers as the base: no two have the same."""
    path, row = weights_file(order.weights[model]), architecture(model)
    if path is None or _numbers(path) == row.weights + row.statistics:
        return
    from ..networks.network import build

    build(model, weights=path, size=order.image_settings.size)


def _numbers(path: Path) -> int | None:
    """Return how many numbers a file of weights holds; None where it cannot be read."""
    import h5py  # type: ignore[import-untyped]

    sizes: list[int] = []

    def visit(_: str, entry: Any) -> None:
        if isinstance(entry, h5py.Dataset):
            sizes.append(int(entry.size))

    try:
        with h5py.File(path) as file:
            file.visititems(visit)
    except OSError:  # the loading says what is wrong with it
        return None
    return sum(sizes)
