"""How a network is fitted, as data; imports no keras."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..runtime.metrics import Json
from .augmentation import PAPER, Augmentation


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
    patience: int = 5
    whole_folds: bool = True
    averaged_epochs: float = 2.0
    freeze_norm: bool = True
    head_first: bool = True
    head_passes: int = 4
    head_epochs: int = 30
    head_lr: float = 1e-3
    class_weights: bool = True
    augmentation: Augmentation = field(default_factory=lambda: PAPER)

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


def recipe_for(
    weights: str, *, epochs: int | None, batch_size: int | None, lr: float | None
) -> Recipe:
    """Return the default recipe for these weights, with what the user asked for instead.

    Parameters
    ----------
    weights : str
        ``"none"`` trains from scratch.
    epochs, batch_size, lr : optional

    Returns
    -------
    Recipe
    """
    asked: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "lr": lr}
    default = FROM_SCRATCH if weights == "none" else FINE_TUNING
    return replace(default, **{key: value for key, value in asked.items() if value is not None})
