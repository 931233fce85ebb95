"""Every model trains with either head, for one epoch on a few small images from random weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alledge.runtime.data.datasets import Dataset
from alledge.runtime.image_settings import ImageSettings
from alledge.train.data.examples import read_examples
from alledge.train.data.splits import make_split
from alledge.train.fitting.fold_training import Trainer
from alledge.train.fitting.recipe import recipe_for
from alledge.train.fitting.task import TrainingTask
from alledge.train.networks.architectures import ARCHITECTURES, HEADS, head_row, trains_base
from alledge.train.networks.network import base_of, head_of
from alledge.train.progress import TrainingProgress

MIN_SIZE = {"inceptionv3": 75}  # pixels; its pooling reduces smaller images to nothing
SMALL = 32


def changed(before: list[np.ndarray], after: list[np.ndarray]) -> bool:
    return any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.slow  # tracing a deep network takes half a minute
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("model", ARCHITECTURES)
def test_every_model_trains_the_parts_that_its_architecture_says(
    model: str, head: str, smears: Dataset, tmp_path: Path
) -> None:
    size = MIN_SIZE.get(model, SMALL)
    examples = read_examples(smears, ImageSettings(size=size, draft=2 * size))
    split = make_split(examples, "grouped", 2, seed=0)
    recipe = recipe_for(
        "none", epochs=1, batch_size=4, lr=1e-3, name="paper" if head == "paper" else "default",
        paper_epochs=ARCHITECTURES[model].paper_epochs,
    )  # fmt: skip
    recipe = replace(recipe, head_passes=1)
    task = TrainingTask(model, head, "none", 0, recipe, examples, split, tmp_path)
    trainer = Trainer(task, TrainingProgress(quiet=True))
    parts = (base_of(trainer.network), head_of(trainer.network))
    before = [part.get_weights() for part in parts]
    result = trainer.score_fold(split.folds[0], "fold 1")
    scores = np.array(result["scores"])
    assert scores.shape == (len(split.folds[0].test), 2)
    assert np.allclose(scores.sum(axis=1), 1, atol=1e-5)
    assert np.isfinite([row["loss"] for row in result["history"][1:]]).all()
    trained = trains_base(ARCHITECTURES[model], head_row(head))
    moved = [changed(old, part.get_weights()) for old, part in zip(before, parts, strict=True)]
    assert moved == [trained, True]
