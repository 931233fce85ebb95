"""The matrix of a tiny network: rows, and bundles that verify and classify accept."""

import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from alledge.cli import main
from alledge.export.convert.capabilities import FORMATS
from alledge.export.matrix.fill import fill, missing_cells
from alledge.export.matrix.markdown_page import OK, REFUSED
from alledge.export.matrix.model_conversions import MatrixCell, MatrixRow
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.verify import verify_bundle
from alledge.runtime.image_settings import ImageSettings
from support.build_cache import cached

SCHEMAS = Path(__file__).resolve().parents[3] / "runtime" / "schemas"


SOURCES = (
    "tests/support/tiny_run.py",
    "export/matrix/model_conversions.py",
    "export/convert/worker.py",
)


@pytest.fixture(scope="module")
def matrix(tiny_run):
    """Rows of a tiny network in int8, one refused row, and the folder of the bundles."""

    def build(path: Path) -> None:
        settings = ImageSettings.from_json(tiny_run.record["image_path"])
        conversions = MatrixRow(
            "mobilenetv2", "paper", path / "work", settings=settings, network=tiny_run.model_path
        )
        wanted = [MatrixCell("mobilenetv2", "paper", "int8", name) for name in FORMATS]
        wanted.append(MatrixCell("mobilenetv2", "paper", "dynamic", "openvino"))
        rows = {cell.key: conversions.row(cell) for cell in wanted}
        assert conversions.write_bundle("int8", path / "bundles")
        assert not conversions.write_bundle("dynamic", path / "bundles")
        record = {"schema": "alledge/matrix", "schema_version": 1, "rows": rows}
        heads = {"mobilenetv2/paper": conversions.cost}
        shutil.rmtree(path / "work")
        (path / "matrix.json").write_text(json.dumps({**record, "heads": heads}), encoding="utf-8")

    folder = cached("matrix", SOURCES, build)
    return json.loads((folder / "matrix.json").read_text(encoding="utf-8")), folder / "bundles"


def fill_again(record: dict, bundles: Path) -> list[MatrixCell]:
    return missing_cells([MatrixCell(*key.split("/")) for key in record["rows"]], record, bundles)


def schema(name: str) -> dict:
    return json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))


def test_every_cell_has_a_row_and_every_artifact_is_in_a_bundle(matrix):
    record, bundles = matrix
    jsonschema.validate(record, schema("matrix"))
    rows = record["rows"]
    assert rows["mobilenetv2/paper/dynamic/openvino"]["status"] == REFUSED
    assert {path.name for path in bundles.iterdir()} == {"mobilenetv2-paper-int8"}
    assert {rows[f"mobilenetv2/paper/int8/{name}"]["status"] for name in FORMATS} == {OK}
    bundle = Bundle.open(bundles / "mobilenetv2-paper-int8")
    assert tuple(bundle.formats) == FORMATS
    bundle.check()


def test_the_documents_of_a_bundle_have_schemas_and_its_files_have_hashes(matrix):
    path = matrix[1] / "mobilenetv2-paper-int8"
    record = json.loads((path / "bundle.json").read_text(encoding="utf-8"))
    jsonschema.validate(record, schema("bundle"))
    parity = json.loads((path / "parity.json").read_text(encoding="utf-8"))
    jsonschema.validate(parity, schema("parity"))
    there = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()}
    assert there == {*record["files"], "bundle.json"}


def test_a_network_that_was_not_trained_says_so(matrix):
    bundle = Bundle.open(matrix[1] / "mobilenetv2-paper-int8")
    assert bundle.record["metrics"] is None
    assert bundle.record["guards"] is None
    assert bundle.record["training"]["split"]["kind"] == "none"
    assert bundle.record["training"]["weights"] == "random"
    assert {row["decision"] for row in bundle.record["formats"].values()} == {"not fitted"}
    card = (bundle.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "only the last layer was fitted, on 64 generated smears" in card
    assert "accuracy of this model was never measured" in card
    assert "Gate not evaluated" in card


def test_verify_and_classify_accept_the_bundle(matrix, tmp_path):
    path = matrix[1] / "mobilenetv2-paper-int8"
    report = verify_bundle(path)
    verdicts = {row["float"]["verdict"] for row in report["backends"].values()}
    assert (report["verdict"] == "fail") == ("fail" in verdicts)
    assert {row["status"] for row in report["backends"].values()} == {"pass"}
    with np.load(path / "reference" / "inputs.npz") as archive:
        Image.fromarray(archive["inputs"][0]).save(tmp_path / "smear.png")
    command = ["classify", str(tmp_path / "smear.png"), "--bundle", str(path), "--json"]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert answer["bundle"] == "mobilenetv2-paper-int8"
    assert answer["label"] in ("healthy", "blast")


def test_only_a_missing_bundle_is_converted_again(matrix, tmp_path):
    record, bundles = matrix
    (tmp_path / "matrix.json").write_text(json.dumps(record), encoding="utf-8")
    wanted = [MatrixCell(*key.split("/")) for key in record["rows"]]
    steps: list[str] = []
    assert fill(tmp_path, wanted, on_step=steps.append, bundles=bundles) == record
    assert steps == []
    missing = fill_again(record, tmp_path / "no bundles")
    assert [cell.precision for cell in missing] == ["int8"] * len(FORMATS)
    assert fill_again(record, bundles) == []
