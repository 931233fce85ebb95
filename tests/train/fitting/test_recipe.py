"""Recipes: the paper's recipe trains the same parameters for the same number of epochs."""

import pytest

from alledge.errors import UsageError
from alledge.train.fitting.augmentation import PAPER_AUGMENTATION
from alledge.train.fitting.recipe import AS_PAPER, CELL_FINE_TUNING, recipe_for
from alledge.train.networks.architectures import ARCHITECTURES

NOTHING = {"epochs": None, "batch_size": None, "lr": None}
PAPER_EPOCHS = {
    "vgg16": 50, "vgg19": 50, "resnet101v2": 60, "densenet201": 50, "mobilenetv2": 40,
    "inceptionv3": 45,
}  # fmt: skip


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_the_papers_recipe_has_its_epochs_and_augmentation_without_early_stopping(
    model: str,
) -> None:
    row = ARCHITECTURES[model]
    recipe = recipe_for("none", **NOTHING, name="paper", paper_epochs=row.paper_epochs)
    assert recipe.epochs == recipe.head_epochs == PAPER_EPOCHS[model]
    assert not recipe.choose_epoch
    assert recipe.augmentation == PAPER_AUGMENTATION
    assert (recipe.lr_last, recipe.averaged_epochs, recipe.head_first) == (1.0, 0.0, False)


def test_the_papers_recipe_trains_exactly_the_parameters_the_paper_printed() -> None:
    from alledge.train.networks.network import build, freeze

    network = build("mobilenetv2", "paper", weights="none")
    freeze(network, base=False, norm=AS_PAPER.freeze_norm)
    assert sum(variable.value.shape.num_elements() for variable in network.trainable_weights) == (
        18_313_473
    )


def test_the_users_settings_replace_those_of_the_recipe() -> None:
    recipe = recipe_for("imagenet", epochs=3, batch_size=4, lr=0.5, name="paper", paper_epochs=50)
    assert (recipe.epochs, recipe.head_epochs, recipe.batch_size) == (3, 3, 4)
    assert recipe.lr == recipe.head_lr == 0.5


def test_the_user_chooses_whether_the_head_is_fitted_first() -> None:
    assert recipe_for("imagenet", **NOTHING).head_first
    assert not recipe_for("none", **NOTHING).head_first
    assert not recipe_for("imagenet", **NOTHING, head_first=False).head_first
    assert recipe_for("none", **NOTHING, name="paper", head_first=True).head_first


def test_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="paper"):
        recipe_for("none", **NOTHING, name="papr")


def test_cells_are_fine_tuned_at_a_higher_rate_and_with_their_augmentation() -> None:
    fine_tuned = recipe_for("imagenet", **NOTHING, fine_tuning=CELL_FINE_TUNING)
    assert fine_tuned == CELL_FINE_TUNING
    scratch = recipe_for("none", **NOTHING, fine_tuning=CELL_FINE_TUNING)
    assert scratch.lr == recipe_for("none", **NOTHING).lr
    assert scratch.augmentation == CELL_FINE_TUNING.augmentation
