"""Several bundles that answer together: the mean of their calibrated scores, and who answered."""

import hashlib
import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner

from alledge.cli import main
from alledge.errors import UsageError
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.references import read_references
from alledge.runtime.classifier import Classifier
from support.bundles import edit, read_record

SCHEMA = Path(__file__).resolve().parents[2] / "runtime" / "schemas" / "classify.json"


def two(first: Bundle, second: Bundle) -> Classifier:
    return Classifier.load(first, "onnx", 2, others=[second])


def test_the_scores_are_the_mean_of_the_calibrated_scores(float32_bundle, int8_bundle):
    images = read_references(float32_bundle).inputs[:4]
    alone = []
    for bundle in (float32_bundle, int8_bundle):
        with Classifier.load(bundle, "onnx", 1) as classifier:
            alone.append([classifier.scores(image) for image in images])
    with two(float32_bundle, int8_bundle) as classifier:
        together = [classifier.scores(image) for image in images]
    assert together == pytest.approx(np.mean(alone, axis=0), abs=1e-9)


def test_the_record_names_every_bundle(float32_bundle, int8_bundle):
    with two(float32_bundle, int8_bundle) as classifier:
        record = classifier.classify(read_references(float32_bundle).inputs[0]).to_json()
    jsonschema.validate(record, json.loads(SCHEMA.read_text(encoding="utf-8")))
    digests = [float32_bundle.digest, int8_bundle.digest]
    assert record["bundle"] == f"{float32_bundle.name} + {int8_bundle.name}"
    assert [row["digest"] for row in record["members"]] == digests
    assert record["digest"] == "sha256:" + hashlib.sha256("\n".join(digests).encode()).hexdigest()
    rows = [bundle.formats["onnx"].threshold for bundle in (float32_bundle, int8_bundle)]
    assert record["threshold"] == pytest.approx(np.mean(rows), abs=1e-5)


def test_bundles_of_cells_answer_together(int8_cell_bundle, tiny_cell_run, tmp_path):
    folder = Path(shutil.copytree(int8_cell_bundle.path, tmp_path / "second"))
    second = Bundle.open(edit(folder, name="second"))
    image = sorted(Path(tiny_cell_run.record["data"]["root"]).rglob("*.jpg"))[0]
    with Classifier.load(int8_cell_bundle, "onnx", 2) as classifier:
        alone = classifier.classify(image)
    with two(int8_cell_bundle, second) as classifier:
        together = classifier.classify(image)
        smear = classifier.pool([together])
    assert together.counts == alone.counts
    assert smear.members == together.members
    assert len(smear.members) == 2


def test_the_command_takes_several_bundles(float32_bundle, int8_bundle):
    picture = str(float32_bundle.path / "reference" / "picture.jpg")
    bundles = ["--bundle", str(float32_bundle.path), "--bundle", str(int8_bundle.path)]
    result = CliRunner().invoke(main, ["classify", picture, *bundles, "--json"])
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["members"]) == 2


def test_bundles_that_do_not_fit_are_refused(float32_bundle, int8_cell_bundle, tmp_path):
    with pytest.raises(UsageError, match="named twice"):
        two(float32_bundle, float32_bundle)
    with pytest.raises(UsageError, match="differ in task"):
        two(float32_bundle, int8_cell_bundle)
    folder = Path(shutil.copytree(float32_bundle.path, tmp_path / "other"))
    labels = ["healthy", "leukaemic"]
    assert read_record(folder)["labels"] != labels
    other = Bundle.open(edit(folder, labels=labels, positive=["leukaemic"]))
    with pytest.raises(UsageError, match="differ in labels"):
        two(float32_bundle, other)
    with pytest.raises(UsageError, match="those of one bundle"):
        Classifier.load(float32_bundle, "onnx", features=True, others=[other])


def with_formats(bundle: Bundle, folder: Path, *names: str) -> Bundle:
    """Return a copy of a bundle with some of its formats."""
    shutil.copytree(bundle.path, folder)
    formats = {name: read_record(folder)["formats"][name] for name in names}
    return Bundle.open(edit(folder, name=folder.name, formats=formats))


def test_the_bundle_that_lacks_an_engine_is_named(float32_bundle, int8_bundle, tmp_path):
    first = with_formats(float32_bundle, tmp_path / "first", "tflite")
    second = with_formats(int8_bundle, tmp_path / "second", "onnx")
    with pytest.raises(UsageError, match="first has no artifact for onnx"):
        Classifier.load(first, "onnx", others=[int8_bundle])
    with pytest.raises(UsageError, match=r"no engine runs all.*first has tflite; second has onnx"):
        Classifier.load(first, others=[second])
    with Classifier.load(float32_bundle, others=[second]) as classifier:
        assert classifier.backend.name == "onnx"  # tflite goes first where both have it
