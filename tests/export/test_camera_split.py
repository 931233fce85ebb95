"""Export of a camera-split run: no fold may use images that are related to those that test it.

A camera split tests a healthy image once for every camera, and leaves images out of both parts of
a fold. A fold's training part is therefore not simply the rest of the data set.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from alledge.export.gate import parity
from alledge.export.options import ExportOptions
from alledge.export.process import export_run
from alledge.export.source_run import read_run_images
from alledge.runtime.data.datasets import read_dataset
from alledge.runtime.files import write_json
from alledge.runtime.image_settings import ImageSettings
from alledge.runtime.metrics.metrics import summarize
from alledge.train.data.examples import Examples, read_examples
from alledge.train.data.split_types import Split
from alledge.train.data.splits import make_split
from alledge.train.phantom.smears import draw_field
from alledge.train.runs.calibration_fitting import fit_decision, fit_temperature
from alledge.train.runs.run_folder import BY_FOLD, PREDICTIONS, SPLIT, Predictions, Run, load_run
from alledge.train.runs.run_tables import write_predictions, write_split
from support.tiny_run import DARK, LABELS, SIZE, fit_network

CAMERAS = ("Axiocam", "PowerShot")
IMAGES = 32
SETTINGS = ImageSettings(size=SIZE, draft=SIZE)


def draw_images(root: Path) -> None:
    """Write smears of two cameras; those "with blasts" are darker."""
    for index in range(IMAGES):
        field, _ = draw_field(9, index, False, size=160)
        label = LABELS[index % 2]
        brightness = DARK if label == "blast" else 1.0
        pixels = np.asarray(field.resize((SIZE, SIZE)), np.float32) * brightness
        exif = Image.Exif()
        exif[ExifTags.Base.Model] = CAMERAS[index // 2 % 2]
        (root / label).mkdir(parents=True, exist_ok=True)
        path = root / label / f"{index:03d}.png"
        Image.fromarray(pixels.round().astype(np.uint8)).save(path, exif=exif)


def predict_folds(examples: Examples, split: Split, run: Path) -> Predictions:
    """Fit and save the network of every fold, and return what it predicts of its test images."""
    rows = []
    for fold in split.folds:
        network = fit_network(examples.pixels[fold.train], examples.truth[fold.train])
        (run / "folds" / str(fold.number)).mkdir(parents=True)
        network.save(run / "folds" / str(fold.number) / "model.keras")
        p = np.asarray(network(examples.pixels[fold.test].astype(np.float32)))[:, 0]
        rows += [(index, fold.number, value) for index, value in zip(fold.test, p, strict=True)]
    rows.sort(key=lambda row: row[0])
    order = [int(row[0]) for row in rows]
    p = np.array([row[2] for row in rows], dtype=np.float64)
    return Predictions(
        images=tuple(examples.names[index] for index in order),
        groups=tuple(split.groups[index] for index in order),
        cameras=tuple(examples.cameras[index] for index in order),
        folds=np.array([row[1] for row in rows]),
        truth=examples.truth[order],
        scores=np.stack([1 - p, p], axis=1),
    )


@pytest.fixture(scope="module")
def camera_run(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished camera-split run of small networks; two healthy fields are one group."""
    folder = tmp_path_factory.mktemp("camera")
    draw_images(folder / "data")
    dataset = read_dataset(folder / "data")
    healthy = [i for i, sample in enumerate(dataset.samples) if sample.label == "healthy"]
    blasts = [i for i, sample in enumerate(dataset.samples) if sample.label == "blast"]
    same_group = [(healthy[0], healthy[1]), (blasts[0], blasts[1])]
    examples = read_examples(dataset, SETTINGS, overlaps=same_group)
    split = make_split(examples, "camera", 3, 0)
    run = folder / "run"
    run.mkdir()
    predictions = predict_folds(examples, split, run)
    fit_network(examples.pixels, examples.truth).save(run / "model.keras")
    once = predictions.per_image()
    write_predictions(run / PREDICTIONS, once, LABELS)
    write_predictions(run / BY_FOLD, predictions, LABELS)
    write_split(run / SPLIT, examples, split)
    decision = fit_decision(once.truth == 1, once.scores[:, 1])
    fitted = {
        "labels": list(dataset.labels),
        "split": {"kind": "camera", "folds": len(split.folds), "digest": "sha256:" + "0" * 64},
        "temperature": fit_temperature(once.truth, once.scores),
        "threshold": decision.threshold,
        "band": [decision.low, decision.high],
        "oof": summarize(once.truth, once.scores, LABELS, ["blast"], 0.5, list(once.groups)),
    }
    data = {**tiny_run.record["data"], "root": str(dataset.root), "images": IMAGES}
    data["fingerprint"] = dataset.fingerprint()
    write_json(run / "run.json", {**tiny_run.record, **fitted, "data": data})
    return load_run(run)


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """A temporary folder that no other export deletes from or writes into."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_export_calibrates_no_fold_on_images_related_to_those_that_test_it(
    camera_run, tmp_path, temporary
):
    calibration: dict[int, set[bytes]] = {}

    def read_calibration_images(title: str) -> None:
        """Read what the export has stored for the conversion of the folds so far."""
        for path in temporary.glob("alledge-export-*/gate/fold*/calibration.npy"):
            fold = int(path.parent.name.removeprefix("fold"))
            calibration[fold] = {image.tobytes() for image in np.load(path)}

    options = ExportOptions(camera_run, "int8", ("tflite",), tmp_path / "bundle")
    outcome = export_run(options, read_calibration_images)
    assert outcome.artifacts["tflite"].gate["evaluated"]
    examples = read_examples(read_dataset(camera_run.record["data"]["root"]), SETTINGS)
    pixels = {n: p.tobytes() for n, p in zip(examples.names, examples.pixels, strict=True)}
    split = camera_run.split()
    assert any(len(row.tested_by) == len(CAMERAS) for row in split)
    assert set(calibration) == set(camera_run.fold_numbers)
    for fold, images in calibration.items():
        tested = [row for row in split if fold in row.tested_by]
        groups = {row.group for row in tested}
        related = {pixels[row.image] for row in split if row.group in groups}
        trained = {pixels[row.image] for row in split if fold in row.trained_by}
        assert not images & {pixels[row.image] for row in tested}
        assert not images & related
        assert images
        assert images <= trained


def test_the_exported_network_is_calibrated_on_every_image_once(camera_run, tmp_path, monkeypatch):
    # Whether int8 is close enough to float on the references is not the question here.
    monkeypatch.setitem(parity.TOLERANCES, "int8", parity.Tolerance(max_dp=1.0, mean_dp=1.0))
    out = tmp_path / "bundle"
    export_run(ExportOptions(camera_run, "int8", ("tflite",), out, gate=False))
    assert len(camera_run.fold_predictions().images) > IMAGES
    record = json.loads((out / "bundle.json").read_text(encoding="utf-8"))
    calibration = record["formats"]["tflite"]["calibration"]
    assert calibration == {"source": "training images", "images": IMAGES, "warnings": []}
    images = read_run_images(camera_run).calibration_images().images
    assert len({image.tobytes() for image in images}) == IMAGES
