"""A study of cells: figures of cells and of fields, beside those of a study of whole fields."""

import json
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from alledge.cli import main
from alledge.errors import DataError, UsageError
from alledge.runtime.cells.field_cells import find_cells
from alledge.runtime.cells.settings import CellSettings
from alledge.train.data.cells.field_split import split_cells
from alledge.train.study.field_figures import count_alone
from alledge.train.study.field_rows import field_rows, field_words
from alledge.train.study.options import StudyOptions
from alledge.train.study.plan import Plan
from alledge.train.study.whole_fields import sensitivity_on_curve, whole_field_figures
from support.cell_examples import FieldPlan, cell_examples

WAYS = ("phantom G → phantom C", "phantom C → phantom G")


def run_study(data: Path, out: Path, *more: str) -> Result:
    words = [
        "study", "--data", str(data), "--models", "vgg16", "--weights", "none", "--folds", "2",
        "--trials", "1", "--passes", "1", "--fine-tune", "none", "--out", str(out),
        "--cache", str(out.parent / "features"), *more,
    ]  # fmt: skip
    return CliRunner().invoke(main, words)


def read(out: Path) -> Any:
    return json.loads((out / "study.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from alledge.train.phantom.smears import generate

    return generate(tmp_path_factory.mktemp("fields") / "set", images=24, size=480)


@pytest.fixture(scope="module")
def of_fields(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of the same fields, whole."""
    out = tmp_path_factory.mktemp("whole") / "study"
    result = run_study(data, out, "--size", "32", "--splits", "grouped,camera")
    assert result.exit_code == 0, result.output
    return out / "study.json"


@pytest.fixture(scope="module")
def of_cells(data: Path, of_fields: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cells") / "study"
    result = run_study(data, out, "--task", "cell", "--crop-size", "32", "--beside", str(of_fields))
    assert result.exit_code == 0, result.output
    return out


def test_a_study_of_cells_measures_cells_and_their_fields(of_cells: Path) -> None:
    document = read(of_cells)
    schema = resources.files("alledge.runtime").joinpath("schemas/study.json")
    jsonschema.validate(document, json.loads(schema.read_text(encoding="utf-8")))
    assert document["settings"]["task"] == "cell"
    assert document["settings"]["cells"]["crop"]["size"] == 32
    counts = document["data"]["cells"]
    assert (counts["fields"], counts["all"]) == (24, sum(document["data"]["classes"].values()))
    assert [section["name"] for section in document["sections"]] == ["grouped", *WAYS]
    for section in document["sections"]:
        assert set(section["fields"]) == {"camera_alone", "count_alone"}
        for row in section["rows"]:
            measured = row["summary"]["confusion"]["counts"]
            assert sum(map(sum, measured)) <= counts["all"] - counts["unknown"]
            assert 0 <= row["fields"]["auc"]["value"] <= 1
            assert row["fields"]["counts"]["mean_error"]["value"] >= 0


def test_a_study_of_whole_fields_has_no_key_of_cells(of_fields: Path) -> None:
    document = read(of_fields.parent)
    assert not {"task", "cells"} & set(document["settings"])
    assert "beside" not in document
    for section in document["sections"]:
        assert "fields" not in section
        assert all("fields" not in row for row in section["rows"])


@pytest.mark.parametrize("others", [("healthy",) * 5, ("healthy", "other") * 3])
def test_fields_with_more_cells_are_told_apart_by_the_number_alone(others: tuple[str, ...]) -> None:
    """Also where blasts are the smaller part of the cells."""
    ill = [FieldPlan(f"ill{n}", "blast", ("blast",) * 2 + others) for n in range(9)]
    well = [FieldPlan(f"well{n}", "healthy", ("healthy",) * (1 + n % 3)) for n in range(9)]
    examples = cell_examples([*ill, *well])
    split = split_cells(examples, "grouped", 3, 0)
    options = StudyOptions(Path("data"), ("vgg16",), {}, cells=CellSettings())
    plan = Plan(options, examples, {"grouped": split}, {})
    (figures,) = count_alone(plan, "grouped").values()
    assert figures["auc"]["value"] == 1.0


def test_the_page_shows_fields_beside_whole_fields(of_cells: Path) -> None:
    document = read(of_cells)
    rows = field_rows(document)
    assert [row["title"] for row in rows[:2]] == ["camera alone", "number of cells alone"]
    for row in rows[2:]:
        for side in row["in"]:
            assert (
                side["cells"]["sensitivity_at_95"]["n"] == side["whole"]["sensitivity_at_95"]["n"]
            )
    html = (of_cells / "study.html").read_text(encoding="utf-8")
    markdown = (of_cells / "study.md").read_text(encoding="utf-8")
    for page in (html.replace("&#39;", "'"), markdown):
        assert "number of cells alone" in page
        assert "study.json" in page
        assert f"{document['data']['cells']['all']} cells of 24 fields" in page
        assert all(field_words(section) in page for section in document["sections"])
        assert "× the paper's" not in page
    assert "## Fields" in markdown


def test_every_row_of_a_table_has_all_columns(of_cells: Path) -> None:
    widths = []
    for line in (of_cells / "study.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("|"):
            widths.append(line.count("|"))
        elif widths:
            assert len(set(widths)) == 1
            widths = []


def test_a_finished_study_of_cells_is_not_computed_again(data: Path, of_cells: Path) -> None:
    before = read(of_cells)
    result = run_study(data, of_cells, "--task", "cell", "--crop-size", "32", "--resume")
    assert result.exit_code == 0, result.output
    after = read(of_cells)
    assert after["sections"] == before["sections"]
    assert "beside" not in after


def test_a_study_reads_the_true_cells_that_the_user_names(data: Path, tmp_path: Path) -> None:
    from alledge.train.study.study_data import read_sources, read_study_examples

    table = tmp_path / "cells.csv"
    image = next(data.rglob("*_0.jpg"))
    whole = StudyOptions(data, ("vgg16",), {"vgg16": "none"}, cells=CellSettings())
    plain = read_study_examples(whole, read_sources(whole, None), (), None)
    first = find_cells(image, CellSettings()).cells[0]
    table.write_text(f"image,x,y,label\n{image.name},{first.x},{first.y},other\n", encoding="utf-8")
    seen: list[StudyOptions] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "alledge.train.study.stages.study", lambda options, *_, **__: seen.append(options)
        )
        result = run_study(data, tmp_path / "study", "--task", "cell", "--cells", str(table))
    assert result.exit_code == 0, result.output
    named = read_study_examples(seen[0], read_sources(seen[0], None), (), None)
    assert "other" in named.dataset.labels
    assert "other" not in plain.dataset.labels


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--beside", "{file}"), "--beside is an option of cells"),
        (("--crop-size", "64"), "--crop-size is an option of cells"),
        (("--cells", "{file}"), "--cells is an option of cells"),
        (("--task", "cell", "--splits", "paper,nonsense"), "nonsense"),
    ],
)
def test_options_that_do_not_fit_the_task_are_refused(
    data: Path, of_fields: Path, tmp_path: Path, more: tuple[str, ...], message: str
) -> None:
    words = [word.replace("{file}", str(of_fields)) for word in more]
    result = run_study(data, tmp_path / "study", *words)
    assert result.exit_code == 2
    assert message in result.output


def test_a_study_of_other_data_is_refused_before_anything_is_trained(
    data: Path, of_fields: Path, tmp_path: Path
) -> None:
    shutil.copytree(data, tmp_path / "other")
    next((tmp_path / "other").rglob("*_0.jpg")).unlink()
    result = run_study(
        tmp_path / "other", tmp_path / "study", "--task", "cell", "--beside", str(of_fields)
    )
    assert result.exit_code == 2
    assert "a study of other data" in result.output
    assert not (tmp_path / "study" / "study.json").exists()


def test_a_file_that_is_no_study_of_fields_is_refused(of_cells: Path, tmp_path: Path) -> None:
    settings = read(of_cells)["settings"]["data"]
    with pytest.raises(UsageError, match="a study of cells"):
        whole_field_figures(of_cells / "study.json", settings)
    for text in ('{"schema": "alledge/run"}', '{"schema": "alledge/study"}', "[1]", "nothing"):
        (tmp_path / "file.json").write_text(text, encoding="utf-8")
        with pytest.raises(DataError):
            whole_field_figures(tmp_path / "file.json", settings)


def test_the_sensitivity_on_a_curve_keeps_the_specificity() -> None:
    assert sensitivity_on_curve([[0.0, 0.0], [0.05, 0.8], [0.06, 0.9], [1.0, 1.0]]) == 0.8
