"""`alledge evaluate BUNDLE` of a cell bundle: figures of cells and of fields."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from PIL import Image

from alledge import runtime
from alledge.cli import main
from alledge.errors import AllImagesSeenError, DataError
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.seen_images import FILE_SETTINGS, pixel_hash
from alledge.runtime.cells.field_cells import find_cells
from alledge.runtime.cells.matching import match_cells
from alledge.runtime.data.cell_truth import TrueCell
from alledge.runtime.data.datasets import Dataset, read_dataset
from alledge.runtime.imaging import load_rgb
from alledge.runtime.metrics.bundle_evaluation import evaluate_bundle
from alledge.runtime.metrics.evaluation import CROP_NOTE
from alledge.train.tables import evaluation_text
from support import bundles
from support.cell_pictures import one_cell

SCHEMA = Path(runtime.__file__).parent / "schemas" / "evaluate.json"


@pytest.fixture(scope="module")
def data(smears: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Six generated fields with their centroids."""
    root = tmp_path_factory.mktemp("data") / "smears"
    shutil.copytree(smears.root, root)
    for image in sorted((root / "im").iterdir())[6:]:
        image.unlink()
        (root / "xyc" / f"{image.stem}.xyc").unlink()
    return read_dataset(root)


def test_a_cell_bundle_has_figures_of_cells_and_of_fields(cell_bundle: Path, data: Dataset) -> None:
    document = evaluate_bundle(cell_bundle, data.root)
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    settings = Bundle.open(cell_bundle).cell_settings
    assert settings is not None
    cells, matched, missed = 0, 0, 0
    for sample in data.samples:
        found = find_cells(sample.path, settings).cells
        matches = match_cells(found, [TrueCell("blast", *place) for place in sample.centroids])
        is_positive = sample.label in data.positive
        cells += sum(
            index in matches or not (is_positive and "clipped" in cell.flags)
            for index, cell in enumerate(found)
        )
        matched += len(matches)
        missed += len(sample.centroids) - len(matches)
    assert document["task"] == "cell"
    assert document["operating"]["images"] == cells
    assert document["operating"]["positives"] == matched
    assert document["fields"]["fields"] == len(data.samples)
    assert document["fields"]["missed_blasts"] == missed
    true = sum(len(sample.centroids) for sample in data.samples)
    assert document["fields"]["counts"]["true"] == true
    assert document["review"]["guarded"] is False


def test_the_text_of_a_cell_bundle_names_cells_and_fields(cell_bundle: Path, data: Dataset) -> None:
    arguments = ["evaluate", str(cell_bundle), "--data", str(data.root)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "cells" in result.stdout
    assert "fields" in result.stdout
    assert "blasts counted" in result.stdout


def test_fields_that_the_model_was_trained_on_are_left_out(
    own_cell_bundle: Path, data: Dataset
) -> None:
    first = load_rgb(data.samples[0].path, FILE_SETTINGS)
    seen = {"salt": "00ff", "hashes": [pixel_hash("00ff", first)]}
    bundles.edit(own_cell_bundle, seen=seen)
    document = evaluate_bundle(own_cell_bundle, data.root)
    assert document["seen_left_out"] == 1
    assert document["fields"]["fields"] == len(data.samples) - 1
    every = evaluate_bundle(own_cell_bundle, data.root, include_seen=True)
    assert (every["seen_included"], every["fields"]["fields"]) == (1, len(data.samples))
    hashes = [pixel_hash("00ff", load_rgb(s.path, FILE_SETTINGS)) for s in data.samples]
    bundles.edit(own_cell_bundle, seen={"salt": "00ff", "hashes": hashes})
    with pytest.raises(AllImagesSeenError):
        evaluate_bundle(own_cell_bundle, data.root)


def test_images_of_one_cell_are_cells_and_no_fields(cell_bundle: Path, tmp_path: Path) -> None:
    for number, label in enumerate(("healthy", "blast") * 2):
        (tmp_path / label).mkdir(exist_ok=True)
        Image.fromarray(one_cell(radius=36 + 2 * number)).save(tmp_path / label / f"{number}.png")
    document = evaluate_bundle(cell_bundle, tmp_path)
    jsonschema.validate(document, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert document["fields"] is None
    assert (document["operating"]["images"], document["operating"]["positives"]) == (4, 2)


def test_a_note_says_that_crops_of_training_fields_are_not_recognized(
    own_cell_bundle: Path, data: Dataset, tmp_path: Path
) -> None:
    for label in ("healthy", "blast"):
        (tmp_path / "cells" / label).mkdir(parents=True)
        Image.fromarray(one_cell()).save(tmp_path / "cells" / label / "a.png")
    assert evaluate_bundle(own_cell_bundle, tmp_path / "cells")["notes"] == []  # no hash, no claim
    bundles.edit(own_cell_bundle, seen={"salt": "00ff", "hashes": [32 * "0"]})
    document = evaluate_bundle(own_cell_bundle, tmp_path / "cells")
    assert document["notes"] == [CROP_NOTE]
    assert f"note: {CROP_NOTE}" in evaluation_text(document)
    assert evaluate_bundle(own_cell_bundle, data.root)["notes"] == []  # fields alone


def test_fields_without_positions_have_no_cells_with_a_truth(
    cell_bundle: Path, data: Dataset, tmp_path: Path
) -> None:
    for sample in data.samples:
        (tmp_path / sample.label).mkdir(exist_ok=True)
        shutil.copy(sample.path, tmp_path / sample.label)
    shutil.rmtree(tmp_path / "blast")
    (tmp_path / "blast").mkdir()
    positive = next(sample for sample in data.samples if sample.label == "blast")
    shutil.copy(positive.path, tmp_path / "blast")
    document = evaluate_bundle(cell_bundle, tmp_path)
    assert document["operating"]["positives"] == 0
    assert document["fields"]["positives"] == 1


def test_boxes_name_blasts_healthy_cells_and_what_is_no_leucocyte(
    cell_bundle: Path, data: Dataset, tmp_path: Path
) -> None:
    settings = Bundle.open(cell_bundle).cell_settings
    assert settings is not None
    sample = data.samples[0]
    found = find_cells(sample.path, settings).cells
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    shutil.copy(sample.path, tmp_path / "images")
    names = ["blast", "lymphocyte", "platelet"]
    (tmp_path / "classes.txt").write_text("\n".join(names), encoding="utf-8")
    rows = [
        f"{index % 3} {(cell.x + 0.5) / sample.width} {(cell.y + 0.5) / sample.height} "
        f"{2 * cell.radius / sample.width} {2 * cell.radius / sample.height}"
        for index, cell in enumerate(found)
    ]
    text = tmp_path / "labels" / f"{sample.path.stem}.txt"
    text.write_text("\n".join(rows), encoding="utf-8")
    document = evaluate_bundle(cell_bundle, tmp_path)
    kinds = [names[index % 3] for index in range(len(found))]
    assert document["operating"]["images"] == len(found) - kinds.count("platelet")
    assert document["operating"]["positives"] == kinds.count("blast")
    assert document["fields"]["counts"]["true"] == kinds.count("blast")


def test_kinds_of_healthy_leucocytes_are_negative(cell_bundle: Path, tmp_path: Path) -> None:
    for label in ("neutrophil", "monocyte"):
        (tmp_path / label).mkdir()
        Image.fromarray(one_cell()).save(tmp_path / label / "a.png")
    document = evaluate_bundle(cell_bundle, tmp_path)
    jsonschema.validate(document, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert (document["operating"]["images"], document["operating"]["positives"]) == (2, 0)
    assert document["operating"]["specificity"]["n"] == 2


def test_labels_whose_meaning_is_not_clear_are_an_error(cell_bundle: Path, tmp_path: Path) -> None:
    for label in ("one", "two"):
        (tmp_path / label).mkdir()
        Image.fromarray(one_cell()).save(tmp_path / label / "a.png")
    with pytest.raises(DataError, match="not clear"):
        evaluate_bundle(cell_bundle, tmp_path)
