"""Splits of cells are made of whole fields."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alledge.errors import DataError, UsageError
from alledge.train.data.cells.field_split import split_cells
from alledge.train.data.cells.types import CellExamples
from alledge.train.data.splits import make_split
from support.cell_examples import FieldPlan, cell_examples

BLASTS = ("blast", "blast", "healthy", "healthy!")


@pytest.fixture(scope="module")
def examples() -> CellExamples:
    ill = [FieldPlan(f"ill{n}.jpg", "blast", BLASTS, "AB"[n % 2]) for n in range(8)]
    well = [FieldPlan(f"well{n}.jpg", "healthy", ("healthy", "healthy!")) for n in range(8)]
    overlapping = FieldPlan("well0b.jpg", "healthy", ("healthy",), group="well0.jpg")
    empty = FieldPlan("empty.jpg", "healthy", ())
    return cell_examples([*ill, *well, overlapping, empty])


def field_of(examples: CellExamples, cells: np.ndarray) -> set[str]:
    return {examples.names[index].partition("#")[0] for index in cells}


@pytest.mark.parametrize("kind", ["grouped", "camera"])
def test_a_fold_trains_on_no_group_that_it_tests(examples: CellExamples, kind: str) -> None:
    split = split_cells(examples, kind, 4, seed=0)
    for fold in split.folds:
        tested = {split.groups[index] for index in fold.test}
        assert tested
        assert not tested & {split.groups[index] for index in fold.train}
        whole = [i for i, name in enumerate(examples.names)
                 if name.partition("#")[0] in field_of(examples, fold.test)]  # fmt: skip
        assert whole == fold.test.tolist()


def test_a_grouped_split_tests_every_cell_once(examples: CellExamples) -> None:
    split = split_cells(examples, "grouped", 4, seed=0)
    tested = np.concatenate([fold.test for fold in split.folds])
    assert sorted(tested.tolist()) == list(range(len(examples.names)))


def test_a_camera_split_leaves_out_whole_fields_with_blasts(examples: CellExamples) -> None:
    split = split_cells(examples, "camera", 2, seed=0)
    cameras = {field.name: field.camera for field in examples.fields}
    for fold in split.folds:
        trained = {name for name in field_of(examples, fold.train) if name.startswith("ill")}
        tested = {name for name in field_of(examples, fold.test) if name.startswith("ill")}
        assert {cameras[name] for name in tested} == {fold.camera}
        assert fold.camera not in {cameras[name] for name in trained}
        assert len(trained) == 4


def test_cells_without_a_truth_are_tested_and_not_trained_on(examples: CellExamples) -> None:
    unknown = {
        index
        for index, (name, flags) in enumerate(zip(examples.names, examples.flags, strict=True))
        if name.startswith("ill") and "clipped" in flags
    }
    split = split_cells(examples, "grouped", 4, seed=0)
    assert len(unknown) == 8
    assert split.refit is not None
    assert set(range(len(examples.names))) - set(split.refit.tolist()) == unknown
    assert unknown <= {index for fold in split.folds for index in fold.test.tolist()}
    assert not unknown & {index for fold in split.folds for index in fold.train.tolist()}


def test_a_csv_file_names_fields_and_images_of_one_cell(tmp_path: Path) -> None:
    ill = [FieldPlan(f"ill{n}.jpg", "blast", BLASTS) for n in range(2)]
    well = [FieldPlan(f"well{n}.jpg", "healthy", ("healthy",)) for n in range(2)]
    singles = [("one.tif", "blast"), ("two.tif", "healthy")]
    examples = cell_examples([*ill, *well, FieldPlan("empty.jpg", "healthy", ())], singles)
    table = tmp_path / "folds.csv"
    rows = ["ill0.jpg,1", "ill1.jpg,2", "well0.jpg,1", "well1.jpg,2", "empty.jpg,1"]
    table.write_text("\n".join(["image,fold", *rows, "one.tif,1", "two.tif,2"]), encoding="utf-8")
    split = split_cells(examples, str(table), 5, seed=0)
    tested = [field_of(examples, fold.test) for fold in split.folds]
    assert tested == [{"ill0.jpg", "well0.jpg", "one.tif"}, {"ill1.jpg", "well1.jpg", "two.tif"}]


def test_a_cell_that_detection_missed_belongs_to_its_field() -> None:
    plans = [FieldPlan(f"ill{n}.jpg", "blast", BLASTS) for n in range(3)]
    plans += [FieldPlan(f"well{n}.jpg", "healthy", ("healthy",)) for n in range(3)]
    examples = cell_examples(plans, singles=[("ill0.jpg#70,70", "blast")])
    split = split_cells(examples, "grouped", 3, seed=0)
    own = [i for i, name in enumerate(examples.names) if name.startswith("ill0.jpg#")]
    assert len({int(split.test_fold[index]) for index in own}) == 1


def test_a_split_without_a_label_to_train_on_is_refused(tmp_path: Path) -> None:
    plans = [FieldPlan(f"ill{n}.jpg", "blast", BLASTS) for n in range(2)]
    plans += [FieldPlan(f"well{n}.jpg", "healthy", ("healthy",)) for n in range(2)]
    plans += [FieldPlan("clump.jpg", "healthy", ("other", "healthy"))]
    table = tmp_path / "folds.csv"
    names = ["ill0", "well0", "clump", "ill1", "well1"]
    rows = [f"{name}.jpg,{1 + at // 3}" for at, name in enumerate(names)]
    table.write_text("\n".join(["image,fold", *rows]), encoding="utf-8")
    with pytest.raises(DataError, match="no cell of the class other to train on for fold 1"):
        split_cells(cell_examples(plans), str(table), 2, seed=0)


def test_a_fold_without_a_cell_is_refused(tmp_path: Path) -> None:
    plans = [FieldPlan(f"ill{n}.jpg", "blast", BLASTS) for n in range(2)]
    plans += [FieldPlan(f"well{n}.jpg", "healthy", ("healthy",)) for n in range(2)]
    plans += [FieldPlan("empty.jpg", "healthy", ())]
    table = tmp_path / "folds.csv"
    rows = ["ill0.jpg,1", "ill1.jpg,2", "well0.jpg,1", "well1.jpg,2", "empty.jpg,3"]
    table.write_text("\n".join(["image,fold", *rows]), encoding="utf-8")
    with pytest.raises(DataError, match=r"fold 3 of the split folds\.csv tests no cell"):
        split_cells(cell_examples(plans), str(table), 2, seed=0)


def of_two_sources(ill: str, well: str) -> CellExamples:
    """Return fields and single cells of two data sets, with blasts of the sources named."""
    fields = [
        FieldPlan(f"{source}{n}.jpg", "blast" if source in ill else "healthy",
                  BLASTS if source in ill else ("healthy",) * 3 if source in well else ("blast",))
        for source in "ab" for n in range(3)
    ]  # fmt: skip
    examples = cell_examples(fields)
    return replace(examples, origins=tuple(name[0] for name in examples.names))


def test_a_source_split_leaves_out_one_data_set_after_the_other() -> None:
    examples = of_two_sources("ab", "")
    split = split_cells(examples, "source", 5, seed=0)
    assert len(split.folds) == 2
    for fold, source in zip(split.folds, "ab", strict=True):
        assert {examples.names[index][0] for index in fold.test} == {source}
        assert source not in {examples.names[index][0] for index in fold.train}
    assert split.notes == ("fold 1 tests a", "fold 2 tests b")
    assert (split.test_fold > 0).all()


def test_a_source_split_trains_on_no_copy_of_a_tested_cell() -> None:
    examples = of_two_sources("ab", "")
    same = tuple(name[1:].partition("#")[0] for name in examples.names)
    groups = tuple("0" if name.startswith("0") else group for name, group in
                   zip(same, examples.groups, strict=True))  # fmt: skip
    split = split_cells(replace(examples, groups=groups), "source", 5, seed=0)
    for fold in split.folds:
        assert not {groups[i] for i in fold.train} & {groups[i] for i in fold.test}


def test_a_source_without_which_a_class_is_missing_is_always_trained_on() -> None:
    examples = of_two_sources("a", "b")
    with pytest.raises(DataError, match="can be left out have no blasts") as caught:
        split_cells(examples, "source", 5, seed=0)
    assert "a is in every training part: it alone has blast" in str(caught.value)


def test_one_data_set_and_whole_fields_have_no_source_split(examples: CellExamples) -> None:
    with pytest.raises(DataError, match="there is one data set"):
        split_cells(examples, "source", 5, seed=0)
    with pytest.raises(UsageError, match="whole fields are of one data set"):
        make_split(examples, "source", 5, seed=0)
