"""Recipes: the settings of a fit, as data. Imports no keras."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ...errors import unknown_name
from .augmentation import CELL_AUGMENTATION, PAPER_AUGMENTATION, Augmentation


@dataclass(frozen=True)
class Recipe:
    """All settings of a fit, except the data set and the seed.

    Parameters
    ----------
    epochs : int
        Greatest number of epochs of the whole network.
    batch_size : int
        Number of images per step.
    lr : float
        Highest learning rate of the whole network.
    lr_last : float
        Learning rate at the end of the cosine schedule, relative to `lr`.
    warmup_epochs : float
        Number of epochs in which the learning rate rises from 0.
    choose_epoch : bool
        True holds out a part of a fold's training images to choose the best epoch. False fits all
        of them for all epochs and keeps the last epoch.
    patience : int
        Number of epochs without a lower validation loss after which a fold stops.
    whole_folds : bool
        True fits a fold again on all its training images, for as many epochs as were best. The
        exported network is fitted in the same way, so the figures of the folds apply to it.
        Without `choose_epoch` all images are fitted in any case.
    averaged_epochs : float
        Memory of the moving average of the weights, in epochs. 0 does not average.
    freeze_norm : bool
        Keep the batch normalization of the base in inference mode.
    head_first : bool
        Fit the head on features of the frozen base before the whole network is trained.
    head_passes : int
        Number of augmented passes that the head is fitted on, in addition to the images without
        augmentation.
    head_epochs : int
        Number of epochs of a head with hidden layers.
    head_lr : float
        Learning rate of a head with hidden layers. A head without hidden layers is solved as a
        logistic regression.
    class_weights : bool
        Give all labels the same total weight.
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

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as a JSON object."""
        return asdict(self)


FINE_TUNING = Recipe()
# The crop of a cell differs more from the images that the base was trained on than a small field
# does. With this rate the loss of the validation images inside the training folds fell below that
# of the head alone in four of five folds of ALL-IDB1; two epochs at the rate of fields changed
# nothing. All epochs are trained: some labels of cells are uncertain, so that the validation loss
# is least while the network is hardly better than its head, and its ranking improves from there.
CELL_FINE_TUNING = Recipe(lr=1e-4, choose_epoch=False, augmentation=CELL_AUGMENTATION)
# Random weights have no useful features. The whole network is trained from the start, with a higher
# learning rate and for longer.
FROM_SCRATCH = Recipe(
    epochs=40,
    lr=1e-3,
    patience=12,
    whole_folds=False,
    averaged_epochs=0.0,  # the statistics of batch normalization do not fit averaged weights
    freeze_norm=False,
    head_first=False,
)

DEFAULT_NAME, PAPER_NAME = "default", "paper"
RECIPES = (DEFAULT_NAME, PAPER_NAME)
# The paper's settings for all six models: Adam, its augmentation, and the base frozen or trained as
# its parameter counts imply. It states no learning rate, batch size or schedule. They are chosen
# here, with a constant learning rate.
AS_PAPER = Recipe(
    batch_size=16,
    lr=1e-4,
    lr_last=1.0,
    warmup_epochs=0.0,
    choose_epoch=False,  # the paper trains for a fixed number of epochs
    whole_folds=False,
    averaged_epochs=0.0,
    freeze_norm=False,  # its parameter counts include batch normalization as trainable
    head_first=False,
    head_passes=8,  # with a frozen base, the epochs cycle through the passes
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
    fine_tuning: Recipe = FINE_TUNING,
) -> Recipe:
    """Return a named recipe for these weights, changed by the user's settings.

    Parameters
    ----------
    weights : str
        ``"none"`` trains from scratch.
    epochs, batch_size, lr, head_first : optional
        The user's settings. None keeps the setting of the recipe.
    name : str
        A name in `RECIPES`.
    paper_epochs : int
        Number of epochs of this model in the paper.
    fine_tuning : Recipe
        The default recipe of the task. From scratch, only its augmentation is used.

    Returns
    -------
    Recipe

    Raises
    ------
    UsageError
        If there is no recipe of this name.

    Examples
    --------
    >>> recipe_for("none", epochs=3, batch_size=None, lr=None).epochs
    3
    """
    options = {"epochs": epochs, "batch_size": batch_size, "lr": lr, "head_first": head_first}
    settings: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    if name == DEFAULT_NAME:
        recipe = FROM_SCRATCH if weights == "none" else fine_tuning
        return replace(recipe, **settings, augmentation=fine_tuning.augmentation)
    settings.setdefault("epochs", paper_epochs)
    if lr is not None:
        settings["head_lr"] = lr
    return replace(AS_PAPER, **settings, head_epochs=settings["epochs"])
