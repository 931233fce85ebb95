"""How a network is fitted, as data; imports no keras."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ...errors import unknown_name
from ...runtime.metrics.metrics import Json
from .augmentation import PAPER_AUGMENTATION, Augmentation


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network is fitted, the data set and the seed apart.

    Parameters
    ----------
    epochs : int
        At most, of the whole network.
    batch_size : int
        Images a step.
    lr : float
        Highest learning rate of the whole network.
    lr_last : float
        Share of it that is left at the end of the cosine.
    warmup_epochs : float
        Over which the rate rises from 0.
    choose_epoch : bool
        A part of a fold's training images is kept apart to choose the best epoch; without it all
        of them are fitted, for all epochs, and the last one is kept.
    patience : int
        Epochs without a better inner loss before a fold stops.
    whole_folds : bool
        Once a fold has found its best epoch, fit it again on all its training images for as
        long: that is also how the exported network is made, so the figures speak of it.
    averaged_epochs : float
        Memory of the moving average of the weights; 0 averages nothing.
    freeze_norm : bool
        Batch normalization of the base stays in inference mode.
    head_first : bool
        Fit the head on frozen features before the base is touched.
    head_passes : int
        Augmented passes whose features the head is fitted on, beside the images themselves.
    head_epochs : int
    head_lr : float
        Of a head with hidden layers; one without is solved, not trained.
    class_weights : bool
        Every label weighs the same, whatever its number of images.
    augmentation : Augmentation
    """

    epochs: int = 12
    batch_size: int = 16
    lr: float = 2e-5
    lr_last: float = 0.05
    warmup_epochs: float = 1.0
    choose_epoch: bool = True
    patience: int = 5
    whole_folds: bool = True
    averaged_epochs: float = 2.0
    freeze_norm: bool = True
    head_first: bool = True
    head_passes: int = 4
    head_epochs: int = 30
    head_lr: float = 1e-3
    class_weights: bool = True
    augmentation: Augmentation = field(default_factory=lambda: PAPER_AUGMENTATION)

    def to_json(self) -> Json:
        """Return the recipe as a JSON object."""
        return asdict(self)


FINE_TUNING = Recipe()
# Random weights have no features worth keeping: everything moves at once, faster and for longer.
FROM_SCRATCH = Recipe(
    epochs=40,
    lr=1e-3,
    patience=12,
    whole_folds=False,
    averaged_epochs=0.0,  # statistics of batch normalization belong to one set of weights
    freeze_norm=False,
    head_first=False,
)


DEFAULT_NAME, PAPER_NAME = "default", "paper"
RECIPES = (DEFAULT_NAME, PAPER_NAME)
# What the paper says of all six: Adam, its augmentation, the base as decoded from its parameter
# counts. It names no learning rate, no batch size and no schedule: constant ones are ours.
AS_PAPER = Recipe(
    batch_size=16,
    lr=1e-4,
    lr_last=1.0,
    warmup_epochs=0.0,
    choose_epoch=False,  # it trains for a stated number of epochs
    whole_folds=False,
    averaged_epochs=0.0,
    freeze_norm=False,  # its counts have batch normalization among what is trained
    head_first=False,
    head_passes=8,  # of a base it froze: epochs go round them
    head_lr=1e-4,
    class_weights=False,
)


def recipe_for(
    weights: str,
    *,
    epochs: int | None,
    batch_size: int | None,
    lr: float | None,
    head_first: bool | None = None,
    name: str = DEFAULT_NAME,
    paper_epochs: int = 0,
) -> Recipe:
    """Return a named recipe for these weights, with what the user asked for instead.

    Parameters
    ----------
    weights : str
        ``"none"`` trains from scratch.
    epochs, batch_size, lr, head_first : optional
    name : str
        Of `RECIPES`.
    paper_epochs : int
        The paper's, for this model.

    Returns
    -------
    Recipe

    Raises
    ------
    UsageError
        If there is no recipe of this name.
    """
    asked: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "head_first": head_first,
    }
    asked = {key: value for key, value in asked.items() if value is not None}
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    if name == DEFAULT_NAME:
        return replace(FROM_SCRATCH if weights == "none" else FINE_TUNING, **asked)
    length = epochs if epochs is not None else paper_epochs
    rate = {"head_lr": lr} if lr is not None else {}
    return replace(AS_PAPER, **{"epochs": length, **asked, **rate}, head_epochs=length)
