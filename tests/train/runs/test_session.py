"""Tiny networks are trained: the run folder is complete, and a resumed run equals a whole one."""

import csv
import json
import shutil
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from alledge.errors import RunError, UsageError
from alledge.runtime.bundle.seen_images import TrainingImageHashes
from alledge.runtime.data.datasets import Dataset
from alledge.runtime.guards.guards import Guards
from alledge.runtime.guards.image_statistics import image_statistics
from alledge.runtime.image_settings import ImageSettings
from alledge.runtime.imaging import load_image, load_rgb
from alledge.train import progress
from alledge.train.fitting.recipe import FINE_TUNING, FROM_SCRATCH, recipe_for
from alledge.train.fitting.training_loop import predict
from alledge.train.networks.tensorflow_import import keras
from alledge.train.runs.run_folder import Run, load_run
from alledge.train.runs.session import TrainOptions, train


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def schema(name: str) -> Any:
    text = resources.files("alledge.runtime").joinpath(f"schemas/{name}.json").read_text("utf-8")
    return json.loads(text)


def scores(run: Run, network: Any, wanted: list[dict[str, str]]) -> np.ndarray:
    settings = ImageSettings.from_json(run.record["image_path"])
    root = Path(run.record["data"]["root"])
    pixels = np.stack([load_rgb(root / row["image"], settings) for row in wanted])
    return np.asarray(predict(network, pixels.astype(np.float32)))


@pytest.fixture(scope="module")
def tiny_run(tiny_order: TrainOptions, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    return train(replace(tiny_order, out=folder), quiet=True)


@pytest.fixture(scope="module")
def one_phase_run(tiny_order: TrainOptions, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The base is trained from the first step; only the probe uses its frozen features."""
    recipe = replace(tiny_order.recipe, head_first=False, whole_folds=False, epochs=1, lr=1e-3)
    folder = tmp_path_factory.mktemp("runs") / "one-phase"
    return train(replace(tiny_order, recipe=recipe, out=folder), quiet=True)


@pytest.fixture(scope="module")
def paper_run(tiny_order: TrainOptions, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The recipe and the head of the paper, for three epochs."""
    recipe = recipe_for(
        tiny_order.weights, epochs=3, batch_size=4, lr=None, name="paper", paper_epochs=50
    )
    order = replace(tiny_order, recipe=replace(recipe, head_passes=1), head="paper")
    folder = tmp_path_factory.mktemp("runs") / "paper"
    return train(replace(order, sensitivity=0.9, out=folder), quiet=True)


@pytest.fixture(scope="module")
def camera_run(tiny_order: TrainOptions, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The blasts of each camera are left out in turn; healthy fields are in two folds each."""
    recipe = replace(tiny_order.recipe, epochs=0, whole_folds=False, head_passes=0)
    folder = tmp_path_factory.mktemp("runs") / "camera"
    return train(replace(tiny_order, recipe=recipe, split="camera", out=folder), quiet=True)


@pytest.mark.parametrize("which", ["finished_run", "tiny_run", "paper_run", "camera_run"])
def test_documents_of_a_run_are_valid_by_their_schemas(
    which: str, request: pytest.FixtureRequest
) -> None:
    run: Run = request.getfixturevalue(which)
    for name in ("run", "metrics"):
        document = json.loads((run.path / f"{name}.json").read_text(encoding="utf-8"))
        jsonschema.validate(document, schema(name))


def test_a_finished_run_tests_every_image_once(finished_run: Run, smears: Dataset) -> None:
    predictions, split = finished_run.predictions(), rows(finished_run.path / "split.csv")
    names = sorted(smears.relative(sample) for sample in smears.samples)
    assert sorted(predictions.images) == sorted(row["image"] for row in split) == names
    assert finished_run.fold_numbers == (1, 2)
    truth = {smears.relative(sample): sample.label for sample in smears.samples}
    for image, index in zip(predictions.images, predictions.truth, strict=True):
        assert finished_run.labels[index] == truth[image]
    assert np.allclose(predictions.scores.sum(axis=1), 1)
    assert finished_run.record["oof"]["images"] == len(names)
    assert finished_run.record["data"]["generated"]


@pytest.mark.parametrize("which", ["tiny_run", "one_phase_run", "paper_run", "camera_run"])
def test_stored_fold_models_give_the_predictions_of_their_fold(
    which: str, request: pytest.FixtureRequest
) -> None:
    run: Run = request.getfixturevalue(which)
    several = run.path / "fold-predictions.csv"
    predicted = rows(several if several.is_file() else run.path / "predictions.csv")
    for number in run.fold_numbers:
        network = keras.models.load_model(run.fold_model_path(number), safe_mode=True)
        own = [row for row in predicted if row["fold"] == str(number)]
        assert own
        computed = scores(run, network, own)
        expected = np.array([[float(r["score_healthy"]), float(r["score_blast"])] for r in own])
        assert np.allclose(computed, expected, atol=1e-6)


def test_the_exported_model_is_fitted_on_all_images_and_differs_from_the_folds(
    tiny_run: Run,
) -> None:
    network = keras.models.load_model(tiny_run.model_path, safe_mode=True)
    predicted = rows(tiny_run.path / "predictions.csv")
    computed = scores(tiny_run, network, predicted)
    out_of_fold = np.array(
        [[float(r["score_healthy"]), float(r["score_blast"])] for r in predicted]
    )
    assert np.abs(computed - out_of_fold).max() > 1e-4
    assert getattr(network, "optimizer", None) is None
    refit = [row for row in rows(tiny_run.path / "history.csv") if row["fold"] == "0"]
    assert max(int(row["epoch"]) for row in refit) == tiny_run.record["refit"]["base"]


def test_the_best_epoch_is_chosen_on_the_inner_part_and_not_on_the_tested_fold(
    tiny_run: Run,
) -> None:
    history = rows(tiny_run.path / "history.csv")
    metrics = json.loads((tiny_run.path / "metrics.json").read_text(encoding="utf-8"))
    for fold in metrics["folds"]:
        own = [r for r in history if r["fold"] == str(fold["fold"]) and r["phase"] == "base"]
        losses = [float(row["val_loss"]) for row in own]
        assert losses.index(min(losses)) == fold["best"]["base"]
    whole = [row for row in history if row["phase"] == "base-whole"]
    assert whole
    assert all(row["val_loss"] == "" for row in whole)


def test_the_recipe_of_the_paper_trains_whole_folds_and_keeps_the_last_epoch(
    paper_run: Run,
) -> None:
    history = rows(paper_run.path / "history.csv")
    for fold in ("1", "2", "0"):
        own = [row for row in history if row["fold"] == fold]
        assert [(row["phase"], row["epoch"]) for row in own] == [("base", str(n)) for n in range(4)]
        assert all(row["val_loss"] == "" for row in own)  # no part was kept from training
    metrics = json.loads((paper_run.path / "metrics.json").read_text(encoding="utf-8"))
    assert [fold["best"] for fold in metrics["folds"]] == [{"base": 3}] * 2
    assert paper_run.record["refit"] == {"base": paper_run.record["epochs"]} == {"base": 3}
    assert paper_run.record["recipe"]["choose_epoch"] is False


def test_the_wanted_sensitivity_is_stored_and_a_resumed_run_must_have_the_same(
    paper_run: Run, tiny_order: TrainOptions, tmp_path: Path
) -> None:
    assert paper_run.record["sensitivity"] == 0.9
    assert paper_run.record["decision"]["wanted_sensitivity"] == 0.9
    folder = tmp_path / "unfinished"
    folder.mkdir()
    settings = json.loads((paper_run.path / "settings.json").read_text(encoding="utf-8"))
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    order = replace(
        tiny_order, recipe=replace(FINE_TUNING, **settings["recipe"]), head="paper", out=folder
    )
    order = replace(order, recipe=replace(order.recipe, augmentation=FINE_TUNING.augmentation))
    with pytest.raises(RunError, match=r"differs in sensitivity\n"):
        train(order, resume=True, quiet=True)
    with pytest.raises(UsageError, match=r"sensitivity is 1\.5"):
        train(replace(order, sensitivity=1.5), quiet=True)


def test_a_camera_split_counts_an_image_once_and_reports_each_direction(camera_run: Run) -> None:
    once, several = camera_run.predictions(), camera_run.fold_predictions()
    healthy = int((once.truth == 0).sum())
    assert len(set(once.images)) == len(once.images) == camera_run.record["oof"]["images"] == 16
    assert len(several.images) == len(once.images) + healthy
    for at, image in enumerate(once.images):
        own = [index for index, other in enumerate(several.images) if other == image]
        assert len(own) == (2 if once.truth[at] == 0 else 1)
        assert np.allclose(once.scores[at], several.scores[own].mean(axis=0))
    assert camera_run.record["oof"]["specificity"]["n"] == healthy
    directions = camera_run.record["directions"]
    assert [row["model"]["specificity"]["n"] for row in directions] == [healthy] * 2
    assert camera_run.record["calibration"] == "cross-fitted"


def test_a_run_stores_what_each_fold_trained_on_and_tested(camera_run: Run) -> None:
    split, predictions = camera_run.split(), camera_run.fold_predictions()
    assert {row.image for row in split} == set(predictions.images)
    for fold in camera_run.fold_numbers:
        trained = {row.image for row in split if fold in row.trained_by}
        tested = {row.image for row in split if fold in row.tested_by}
        inside = predictions.folds == fold
        assert tested == set(np.asarray(predictions.images)[inside])
        groups = {row.group for row in split if fold in row.trained_by}
        assert trained
        assert not groups & {row.group for row in split if fold in row.tested_by}
    # the other positive images of the camera that a fold leaves out are in neither part
    assert any(len(row.trained_by | row.tested_by) < len(camera_run.fold_numbers) for row in split)


def test_a_run_with_pretrained_weights_is_compared_with_the_linear_probe(tiny_run: Run) -> None:
    predictions = tiny_run.predictions()
    assert predictions.probe is not None
    assert np.allclose(predictions.probe.sum(axis=1), 1)
    against = tiny_run.record["against_probe"]
    metrics = json.loads((tiny_run.path / "metrics.json").read_text(encoding="utf-8"))
    gap = metrics["oof"]["accuracy"]["value"] - metrics["probe"]["accuracy"]["value"]
    alone = against["only_model_right"] - against["only_probe_right"]
    assert gap * len(predictions.images) == pytest.approx(alone)


def test_a_run_from_scratch_has_no_probe_to_compare_with(finished_run: Run) -> None:
    assert finished_run.predictions().probe is None
    assert finished_run.record["against_probe"] is None


def test_the_hashes_of_a_run_match_its_images_and_no_others(tiny_run: Run, smears: Dataset) -> None:
    seen = TrainingImageHashes(tiny_run.record["seen"])
    settings = ImageSettings.from_json(tiny_run.record["image_path"])
    assert len(seen) == len(smears.samples)
    for sample in smears.samples:
        pixels = load_rgb(sample.path, settings)
        assert pixels in seen
        assert pixels[::-1] not in seen


def test_the_guards_of_a_run_accept_its_images_and_flag_a_blank_field(
    tiny_run: Run, smears: Dataset
) -> None:
    guards = Guards(tiny_run.record["guards"])
    settings = ImageSettings.from_json(tiny_run.record["image_path"])
    flags = [guards.flags(image_statistics(*load_image(s.path, settings))) for s in smears.samples]
    assert sum("off_domain" in raised for raised in flags) <= len(flags) / 10
    blank = np.full((settings.size, settings.size, 3), 220, np.uint8)
    assert "off_domain" in guards.flags(image_statistics(blank))


@pytest.mark.parametrize("name", ["curves", "confusion", "roc", "augmented"])
def test_plots_are_not_empty(tiny_run: Run, name: str) -> None:
    with Image.open(tiny_run.path / f"{name}.png") as image:
        assert min(image.size) > 300
        assert len(image.convert("L").getcolors()) > 20


class CutOff(Exception):
    """Stands for a power cut."""


CUTS = (("fold 1 of 2, base", 1), ("fold 2 of 2, all images, base", 1), ("refit", 0))


def test_a_run_cut_off_three_times_and_resumed_equals_a_whole_run(
    tiny_run: Run, tiny_order: TrainOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = replace(tiny_order, out=tmp_path / "cut")
    for attempt, (stage, epoch) in enumerate(CUTS):

        def cut(
            _: object, name: str, row: dict[str, Any], at: tuple[str, int] = (stage, epoch)
        ) -> None:
            if name.startswith(at[0]) and row["epoch"] >= at[1]:
                raise CutOff

        with monkeypatch.context() as patch:
            patch.setattr(progress.TrainingProgress, "epoch", cut)
            with pytest.raises(CutOff):
                train(order, resume=attempt > 0, quiet=True)
        with pytest.raises(RunError, match="unfinished"):
            load_run(tmp_path / "cut")
    (tmp_path / "cut" / "folds" / "1" / "fold.json").write_text('{"number": 1, "be')
    resumed = train(order, resume=True, quiet=True)
    same = [name for name in rows(tiny_run.path / "history.csv")[0] if name != "seconds"]
    for name, columns in (("history.csv", same), ("predictions.csv", None), ("split.csv", None)):
        ours, theirs = rows(resumed.path / name), rows(tiny_run.path / name)
        keep = columns or list(theirs[0])
        assert [[r[c] for c in keep] for r in ours] == [[r[c] for c in keep] for r in theirs]
    assert not list(resumed.path.rglob("*.state.npz"))
    assert not list(resumed.path.rglob("*.part"))


def test_a_run_is_resumed_after_its_images_were_moved(
    tiny_order: TrainOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_order.data, tmp_path / "before")
    options = replace(tiny_order, data=tmp_path / "before", folds=1, out=tmp_path / "run")

    def cut(*_: object) -> None:
        raise CutOff

    with monkeypatch.context() as patch:
        patch.setattr(progress.TrainingProgress, "epoch", cut)
        with pytest.raises(CutOff):
            train(options, quiet=True)
    (tmp_path / "before").rename(tmp_path / "after")
    run = train(replace(options, data=tmp_path / "after"), resume=True, quiet=True)
    assert run.record["data"]["root"] == str((tmp_path / "after").resolve())


def test_resume_without_an_unfinished_run_is_an_error(
    tiny_order: TrainOptions, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="no unfinished run"):
        train(replace(tiny_order, out=tmp_path / "none"), resume=True, quiet=True)


def test_the_head_of_the_paper_is_fitted_on_frozen_features_first(
    tiny_order: TrainOptions, tmp_path: Path
) -> None:
    recipe = replace(FINE_TUNING, epochs=1, head_epochs=3, head_passes=1, batch_size=4)
    order = replace(tiny_order, recipe=recipe, head="paper", folds=1, out=tmp_path / "paper")
    run = train(order, quiet=True)
    history = rows(run.path / "history.csv")
    assert [row["phase"] for row in history if row["fold"] == "1"][:6] == ["head"] * 4 + [
        "base"
    ] * 2
    held_out = [row for row in rows(run.path / "split.csv") if row["fold"] == "1"]
    assert len(run.predictions().images) == len(held_out) < len(history) * 4
    layers = keras.models.load_model(run.model_path).get_layer("head").layers
    assert [layer.units for layer in layers if hasattr(layer, "units")] == [256, 128, 1]


def test_a_base_that_the_paper_froze_stays_frozen_under_its_head(
    tiny_order: TrainOptions, tmp_path: Path
) -> None:
    from alledge.runtime.data.datasets import read_dataset
    from alledge.train.data.examples import read_examples
    from alledge.train.data.splits import make_split
    from alledge.train.fitting.fold_training import Trainer
    from alledge.train.fitting.task import TrainingTask

    examples = read_examples(read_dataset(tiny_order.data), tiny_order.image_settings)
    split = make_split(examples, "grouped", 2, 0)
    kinds = {}
    for model, head in (("resnet101v2", "paper"), ("resnet101v2", "gap"), ("vgg16", "paper")):
        task = TrainingTask(model, head, "none", 0, FROM_SCRATCH, examples, split, tmp_path)
        trainer = Trainer(task, progress.TrainingProgress(quiet=True))
        kinds[model, head] = (
            list(trainer.phases),
            bool(trainer.network.get_layer("base").trainable),
        )
    assert kinds == {
        ("resnet101v2", "paper"): (["head"], False),
        ("resnet101v2", "gap"): (["base"], True),
        ("vgg16", "paper"): (["base"], True),
    }


def test_four_classes_train_to_a_softmax_with_three_positive_labels(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for level, label in enumerate(("Benign", "Early", "Pre", "Pro")):
        (tmp_path / "data" / label).mkdir(parents=True)
        for index in range(4):
            pixels = random.integers(60 * level, 60 * level + 40, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / label / f"same [{index}].png")
    recipe = replace(FROM_SCRATCH, epochs=1, batch_size=8)
    size = ImageSettings(size=32, draft=64)
    order = TrainOptions(
        "vgg16", tmp_path / "data", recipe, weights="none", folds=2, image_settings=size,
        out=tmp_path / "run",
    )  # fmt: skip
    run = train(order, quiet=True)
    assert run.labels == ("Benign", "Early", "Pre", "Pro")
    assert run.positive == ("Early", "Pre", "Pro")
    predictions = run.predictions()
    assert predictions.scores.shape == (16, 4)
    assert np.allclose(predictions.scores.sum(axis=1), 1, atol=1e-5)
    jsonschema.validate(run.record, schema("run"))
