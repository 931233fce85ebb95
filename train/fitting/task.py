"""A training task: the model, its weights, its data and its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..data.examples import Examples
from ..data.split_types import Split
from .recipe import Recipe


@dataclass(frozen=True)
class TrainingTask:
    """A model to train on the folds of a data set.

    Parameters
    ----------
    model, head : str
        Names of an architecture and of a head.
    weights : str
        ``"imagenet"``, ``"none"`` or a file.
    seed : int
    recipe : Recipe
    examples : Examples
    split : Split
    folder : Path
        Folder for the results and for the state of an interrupted fit.
    """

    model: str
    head: str
    weights: str
    seed: int
    recipe: Recipe
    examples: Examples
    split: Split
    folder: Path
