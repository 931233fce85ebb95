"""Options of a tiny training that takes seconds: VGG16 at 32 pixels on a few generated smears."""

from dataclasses import replace
from pathlib import Path

import pytest

from alledge.runtime.data.datasets import Dataset
from alledge.runtime.image_settings import ImageSettings
from alledge.train.fitting.recipe import FINE_TUNING
from alledge.train.runs.session import TrainOptions


@pytest.fixture(scope="session")
def base_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of VGG16's base, in a file as a user has them."""
    from alledge.train.networks.network import base_of, build

    path = tmp_path_factory.mktemp("weights") / "vgg16.weights.h5"
    base_of(build("vgg16", weights="none", size=32, seed=11)).save_weights(path)
    return path


@pytest.fixture(scope="session")
def tiny_order(smears: Dataset, base_weights: Path) -> TrainOptions:
    """Two folds, two epochs, everything else as by default."""
    return TrainOptions(
        "vgg16",
        smears.root,
        replace(FINE_TUNING, epochs=2, batch_size=4, head_passes=1),
        weights=str(base_weights),
        folds=2,
        image_settings=ImageSettings(size=32, draft=64),
    )
