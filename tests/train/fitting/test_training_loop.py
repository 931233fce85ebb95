"""The loop over epochs: its history, and how it handles a damaged state file."""

from pathlib import Path

import numpy as np
import pytest

from alledge.train.fitting.recipe import Recipe
from alledge.train.fitting.targets import FitImages, targets
from alledge.train.fitting.training_loop import FitState, Fitter, predict
from alledge.train.networks.tensorflow_import import keras

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(15, 6)).astype(np.float32)
TRUTH = (FEATURES[:, 0] + RANDOM.normal(size=15) > 0.5).astype(np.int64)
IMAGES = FitImages(np.arange(15), np.empty(0, dtype=np.int64), TRUTH, 2)


def fit(state_file: Path, lr: float, epochs: int = 2) -> tuple[FitState, keras.Model]:
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1, "sigmoid")])
    fitter = Fitter(network, Recipe(epochs=4, batch_size=5, lr=lr, averaged_epochs=0), 0)
    start = network.get_weights()
    state = fitter.fit(
        IMAGES, lambda images, epoch: FEATURES[images], start,
        epochs=epochs, state_file=state_file, report=lambda row: None,
    )  # fmt: skip
    return state, network


def test_the_history_has_the_mean_of_all_batches_of_an_epoch(tmp_path: Path) -> None:
    state, network = fit(tmp_path / "state.npz", lr=1e-12)
    scores = predict(network, FEATURES)
    _, weight = targets(IMAGES, balanced=True)
    loss = -np.log(scores[np.arange(15), TRUTH]) * weight
    right = (scores.argmax(axis=1) == TRUTH) * weight
    for row in state.history[1:]:
        assert row["loss"] == pytest.approx(loss.mean(), abs=1e-5)
        assert row["accuracy"] == pytest.approx(right.sum() / weight.sum(), abs=1e-5)


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_truncated_state_file_restarts_its_phase(tmp_path: Path, length: int) -> None:
    whole, _ = fit(tmp_path / "whole.npz", lr=0.05, epochs=4)
    fit(tmp_path / "cut.npz", lr=0.05, epochs=2)
    content = (tmp_path / "cut.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[:length])
    assert FitState.load(tmp_path / "cut.npz") is None
    again, _ = fit(tmp_path / "cut.npz", lr=0.05, epochs=4)
    assert [row["loss"] for row in again.history] == [row["loss"] for row in whole.history]
    assert all(np.array_equal(a, b) for a, b in zip(again.best, whole.best, strict=True))


def test_a_state_file_with_overwritten_bytes_restarts_its_phase(tmp_path: Path) -> None:
    fit(tmp_path / "state.npz", lr=0.05)
    content = bytearray((tmp_path / "state.npz").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = bytes(200)
    (tmp_path / "state.npz").write_bytes(bytes(content))
    state, _ = fit(tmp_path / "state.npz", lr=0.05)
    assert state.epoch == 2
