"""Runs of cells: a tiny network is trained on the cells of generated smears."""

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

from alledge.errors import AllImagesSeenError, BundleError, DataError, RunError, UsageError
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.seen_images import FILE_SETTINGS, TrainingImageHashes
from alledge.runtime.cells.crop_settings import CropSettings
from alledge.runtime.cells.field_rule import FieldRule
from alledge.runtime.cells.settings import CellSettings
from alledge.runtime.data.datasets import Dataset, read_dataset
from alledge.runtime.guards.guards import Guards
from alledge.runtime.imaging import load_rgb
from alledge.train.data.cells.reading import read_cell_examples
from alledge.train.fitting.training_loop import predict
from alledge.train.networks.tensorflow_import import keras
from alledge.train.phantom.smears import generate
from alledge.train.progress import TrainingProgress
from alledge.train.runs.base_images import UNKNOWN, refuse_images_of_bases
from alledge.train.runs.cross_fitting import FittedRule
from alledge.train.runs.field_fitting import fit_field_judge
from alledge.train.runs.field_table import read_fields
from alledge.train.runs.run_evaluation import evaluate_run
from alledge.train.runs.run_folder import Run, load_run
from alledge.train.runs.session import TrainOptions, train
from alledge.train.runs.training_set import read_sources, read_training_set
from alledge.train.tables import run_table

CELLS = CellSettings(crop=CropSettings(size=32))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return read_dataset(generate(tmp_path_factory.mktemp("fields") / "set", images=16, size=400))


@pytest.fixture(scope="module")
def cell_order(tiny_order: TrainOptions, fields: Dataset) -> TrainOptions:
    """Two folds of the heads only: the base stays as it is."""
    recipe = replace(tiny_order.recipe, epochs=0, whole_folds=False)
    return replace(tiny_order, data=fields.root, recipe=recipe, task="cell", cells=CELLS)


@pytest.fixture(scope="module")
def cell_run(cell_order: TrainOptions, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(replace(cell_order, out=tmp_path_factory.mktemp("runs") / "cells"), quiet=True)


@pytest.fixture(scope="module")
def camera_run(cell_order: TrainOptions, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "camera"
    return train(replace(cell_order, split="camera", out=folder), quiet=True)


@pytest.mark.parametrize("which", ["cell_run", "camera_run"])
def test_documents_of_a_run_of_cells_are_valid(which: str, request: pytest.FixtureRequest) -> None:
    run: Run = request.getfixturevalue(which)
    for name in ("run", "metrics"):
        schema = resources.files("alledge.runtime") / f"schemas/{name}.json"
        document = json.loads((run.path / f"{name}.json").read_text(encoding="utf-8"))
        jsonschema.validate(document, json.loads(schema.read_text("utf-8")))


def test_a_run_of_cells_stores_what_a_bundle_needs(cell_run: Run, fields: Dataset) -> None:
    record = cell_run.record
    assert record["task"] == "cell"
    assert record["image_path"] == {"size": 32, "geometry": "squash", "draft": 64}
    assert CellSettings.from_json(record["cells"]) == CELLS
    assert FieldRule.from_json(record["field"]).to_json() == record["field"]
    assert record["sources"] == [record["data"]]
    assert record["data"]["fingerprint"] == fields.fingerprint()
    assert Guards(record["guards"]).active
    assert Guards(record["field_guards"]).active


def test_every_cell_is_predicted_once_by_a_network_of_another_fold(
    cell_run: Run, fields: Dataset
) -> None:
    examples = read_cell_examples([fields], CELLS)
    predictions = cell_run.predictions()
    assert predictions.images == examples.names
    assert predictions.counted is not None
    assert predictions.counted.all()
    for number in cell_run.fold_numbers:
        network = keras.models.load_model(cell_run.fold_model_path(number), safe_mode=True)
        own = predictions.folds == number
        computed = predict(network, examples.pixels[own].astype(np.float32))
        assert np.allclose(computed, predictions.scores[own], atol=1e-6)
        trained = {row.image for row in cell_run.split() if number in row.trained_by}
        tested = {row.image for row in cell_run.split() if number in row.tested_by}
        assert not {n.partition("#")[0] for n in trained} & {n.partition("#")[0] for n in tested}


def test_the_metrics_of_cells_leave_out_those_without_a_truth(cell_run: Run) -> None:
    predictions = cell_run.predictions()
    assert predictions.known is not None
    assert 0 < predictions.known.sum() < len(predictions.images)
    assert cell_run.record["oof"]["images"] == predictions.known.sum()
    trained = {row.image for row in cell_run.split() if row.trained_by}
    unknown = set(np.array(predictions.images)[~predictions.known].tolist())
    assert trained == set(predictions.images) - unknown


def test_the_certain_auc_compares_blasts_with_the_cells_of_healthy_fields(cell_run: Run) -> None:
    labels = {row["field"]: row["label"] for row in rows(cell_run.path / "fields.csv")}
    blasts, healthy = [], []
    for row in rows(cell_run.path / "predictions.csv"):
        if row["known"] == "1":
            if row["label"] == "blast":
                blasts.append(float(row["score_blast"]))
            elif labels[row["image"].partition("#")[0]] == "healthy":
                healthy.append(float(row["score_blast"]))
    wins = [(a > b) + (a == b) / 2 for a in blasts for b in healthy]
    figure = cell_run.record["certain_auc"]
    assert figure["value"] == pytest.approx(np.mean(wins), abs=1e-6)
    assert figure["n"] == len(blasts) + len(healthy) < cell_run.record["oof"]["images"]
    assert figure["low"] <= figure["value"] <= figure["high"]


def test_the_table_of_fields_agrees_with_the_metrics(cell_run: Run, fields: Dataset) -> None:
    table, metrics = rows(cell_run.path / "fields.csv"), cell_run.record["fields"]
    assert [row["field"] for row in table] == [fields.relative(s) for s in fields.samples]
    assert metrics["fields"] == len(table) == 16
    ill = [row for row in table if row["label"] == "blast"]
    positive = [row for row in ill if float(row["probability"]) >= float(row["threshold"])]
    assert metrics["sensitivity"]["value"] == pytest.approx(len(positive) / len(ill))
    assert metrics["counts"]["true"] == sum(int(row["true_blasts"]) for row in table)
    assert metrics["counts"]["counted"] == sum(int(row["compared_blasts"]) for row in table)
    assert all(int(row["blasts"]) <= int(row["leucocytes"]) for row in table)


def test_the_rule_of_fields_can_be_fitted_again_from_the_folder_of_the_run(cell_run: Run) -> None:
    record = cell_run.record
    cells = FittedRule(record["temperature"], record["threshold"], tuple(record["band"]), True)
    judge = fit_field_judge(
        cell_run.predictions(), read_fields(cell_run), cell_run.labels, cell_run.positive,
        cells=cells,
    )  # fmt: skip
    assert judge is not None
    ours, stored = judge.field.to_json(), record["field"]
    for key, value in stored.items():
        assert ours[key] == pytest.approx(value, abs=1e-4), key


def test_a_camera_split_reports_cells_and_fields_of_each_direction(camera_run: Run) -> None:
    record = camera_run.record
    cells, whole = record["directions"], record["field_directions"]
    assert [row["tested"] for row in cells] == [row["tested"] for row in whole]
    assert len(whole) == 2
    for row in whole:
        assert row["model"]["specificity"]["n"] + row["model"]["no_answer"]["negative"] == 8
        assert row["probe"]["auc"]["n"] == row["model"]["auc"]["n"]


def test_the_certain_auc_of_a_direction_is_of_its_own_cells(camera_run: Run) -> None:
    labels = {row["field"]: row["label"] for row in rows(camera_run.path / "fields.csv")}
    predicted = rows(camera_run.path / "fold-predictions.csv")
    for direction in camera_run.record["directions"]:
        folds = {
            row["fold"]
            for row in predicted
            if row["label"] == "blast" and row["camera"] == direction["tested"]
        }
        scores: dict[bool, list[float]] = {True: [], False: []}
        for row in predicted:
            if row["fold"] in folds and row["known"] == "1":
                is_blast = row["label"] == "blast"
                if is_blast or labels[row["image"].partition("#")[0]] == "healthy":
                    scores[is_blast].append(float(row["score_blast"]))
        figure = direction["model"]["certain_auc"]
        assert figure["n"] == len(scores[True]) + len(scores[False])
        wins = [(a > b) + (a == b) / 2 for a in scores[True] for b in scores[False]]
        assert figure["value"] == pytest.approx(np.mean(wins), abs=1e-6)


def test_the_table_on_the_screen_has_cells_and_fields(cell_run: Run, camera_run: Run) -> None:
    text = run_table(cell_run)
    assert "cells out of fold, 2 folds" in text
    assert "sensitivity at specificity 0.95" in text
    assert "blasts counted" in text
    assert "positive fields of" in run_table(camera_run)


@pytest.mark.parametrize(
    "name", ["curves", "confusion", "roc", "augmented", "counts", "fields-roc", "fields-confusion"]
)
def test_plots_are_not_empty(cell_run: Run, name: str) -> None:
    with Image.open(cell_run.path / f"{name}.png") as image:
        assert min(image.size) > 300
        assert len(image.convert("L").getcolors()) > 20


def test_the_hashes_of_a_run_of_cells_match_its_fields(cell_run: Run, fields: Dataset) -> None:
    seen = TrainingImageHashes(cell_run.record["seen"])
    assert len(seen) == len(fields.samples)
    for sample in fields.samples:
        assert load_rgb(sample.path, FILE_SETTINGS) in seen


def test_a_run_of_cells_is_resumed_only_with_the_same_crops(
    cell_run: Run, cell_order: TrainOptions, fields: Dataset, tmp_path: Path
) -> None:
    folder, moved = tmp_path / "unfinished", tmp_path / "moved"
    shutil.copytree(cell_run.path, folder)
    (folder / "run.json").unlink()
    shutil.copytree(fields.root, moved)
    order = replace(cell_order, out=folder, data=moved)
    other = CellSettings(crop=CropSettings(size=32, width=4.0))
    with pytest.raises(RunError, match=r"differs in cells, truth\n"):
        train(replace(order, cells=other), resume=True, quiet=True)
    resumed = train(order, resume=True, quiet=True)
    assert resumed.record["oof"] == cell_run.record["oof"]
    assert resumed.record["fields"] == cell_run.record["fields"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "field"}, "a run of the task field has cells"),
        ({"field": None}, "field"),
        ({"fields": "none"}, "fields"),
    ],
)
def test_a_damaged_record_of_cells_is_refused(
    cell_run: Run, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    record = {**cell_run.record, **change}
    (tmp_path / "run.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(RunError, match=message):
        load_run(tmp_path)


def test_several_data_sets_are_for_cells_only(cell_order: TrainOptions, fields: Dataset) -> None:
    order = replace(cell_order, task="field", more_data=(fields.root,))
    with pytest.raises(UsageError, match="takes one data set, and 2 are given"):
        train(order, quiet=True)
    with pytest.raises(UsageError, match="there is no task 'cells'"):
        train(replace(cell_order, task="cells"), quiet=True)


def test_a_run_of_cells_is_evaluated_on_cells_and_fields(
    cell_run: Run, fields: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(AllImagesSeenError):
        evaluate_run(cell_run, fields.root)
    other = generate(tmp_path / "other", images=8, size=400, seed=5)
    shutil.copy(fields.samples[0].path, other / "im" / "Im099_0.jpg")
    document = evaluate_run(cell_run, other)
    assert document["task"] == "cell"
    assert document["seen_left_out"] == 1
    assert document["fields"]["fields"] == 8
    assert document["operating"]["images"] > 8
    schema = resources.files("alledge.runtime") / "schemas/evaluate.json"
    jsonschema.validate(document, json.loads(schema.read_text("utf-8")))


def test_the_training_figures_of_a_field_are_those_of_the_device(
    cell_run: Run, fields: Dataset
) -> None:
    """Evaluation on the training set finds the cells that the run was trained on."""
    document = evaluate_run(cell_run, fields.root, include_seen=True)
    assert document["seen_included"] == len(fields.samples)
    assert document["operating"]["images"] == cell_run.record["oof"]["images"]
    assert document["operating"]["positives"] == cell_run.record["oof"]["positives"]
    ours, theirs = document["fields"], cell_run.record["fields"]
    assert ours["missed_blasts"] == theirs["missed_blasts"]
    assert ours["counts"]["true"] == theirs["counts"]["true"]


@pytest.fixture
def base_of_bundle(int8_cell_bundle: Bundle, tmp_path: Path) -> Path:
    """The artifact of a bundle that was trained on the images of the small run of cells."""
    return Path(shutil.copytree(int8_cell_bundle.path, tmp_path / "bundle")) / "model.tflite"


def test_a_run_refuses_images_that_its_base_knows(
    cell_order: TrainOptions, tiny_cell_run: Run, base_of_bundle: Path
) -> None:
    data = Path(tiny_cell_run.record["data"]["root"])
    order = replace(cell_order, data=data, weights=str(base_of_bundle))
    with TrainingProgress(quiet=True) as progress:
        datasets = read_sources(order, progress)
        with pytest.raises(DataError, match=f"trained on {len(datasets[0].samples)} of these"):
            read_training_set(order, datasets, progress)
        notes = read_training_set(replace(order, force=True), datasets, progress).split.notes
    [note] = [note for note in notes if "the base is that of the bundle" in note]
    assert str(base_of_bundle.parent) not in note


def test_a_base_that_does_not_know_the_images_is_taken(
    base_of_bundle: Path, fields: Dataset
) -> None:
    paths = [sample.path for sample in fields.samples]
    bases = ["imagenet", "none", str(base_of_bundle)]
    assert refuse_images_of_bases(bases, paths, force=False, say=print) == ()


@pytest.mark.parametrize("change", ["no record", "another file"])
def test_the_images_of_an_artifact_without_its_record_are_said_to_be_unknown(
    base_of_bundle: Path, fields: Dataset, change: str
) -> None:
    base = base_of_bundle
    if change == "no record":
        base.with_name("bundle.json").unlink()
    else:
        base = base.rename(base.with_name("other.tflite"))
    said: list[str] = []
    paths = [sample.path for sample in fields.samples]
    assert refuse_images_of_bases([str(base)], paths, force=False, say=said.append) == (UNKNOWN,)
    assert said == [UNKNOWN]


def test_a_damaged_record_beside_a_base_is_an_error(base_of_bundle: Path, fields: Dataset) -> None:
    record = base_of_bundle.parent / "bundle.json"
    record.write_bytes(record.read_bytes().replace(b'"int8"', b'"int9"', 1))
    with pytest.raises(BundleError):
        refuse_images_of_bases(
            [str(base_of_bundle)], [fields.samples[0].path], force=True, say=print
        )
