"""ALL-IDB1 and the crops of ALL-IDB2 together, where ``ALLEDGE_ALL_IDB1`` names the first.

The second is looked for beside it.
"""

import os
from pathlib import Path

import pytest

from alledge.errors import DataError
from alledge.runtime.cells.settings import CellSettings
from alledge.train.data.cells.field_split import split_cells
from alledge.train.data.cells.reading import read_cell_examples
from alledge.train.data.cells.same_cells import refuse_cell_contradictions
from alledge.train.data.cells.sources import read_cell_datasets
from alledge.train.data.cells.types import CellExamples

ROOT = Path(os.environ.get("ALLEDGE_ALL_IDB1", "missing"))
CROPS = ROOT.parent / "ALL_IDB2"

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ROOT.is_dir() and CROPS.is_dir()),
        reason="ALLEDGE_ALL_IDB1 names no copy of ALL-IDB1 with ALL_IDB2 beside it",
    ),
]


@pytest.fixture(scope="module")
def examples() -> CellExamples:
    return read_cell_examples(read_cell_datasets([ROOT, CROPS]), CellSettings())


def test_every_crop_is_in_the_group_and_of_the_camera_of_a_field(examples: CellExamples) -> None:
    cameras = {field.group: field.camera for field in examples.fields}
    singles = [i for i, index in enumerate(examples.field_index) if index == -1]
    assert len(singles) == 260
    assert all(examples.cameras[i] == cameras[examples.groups[i]] for i in singles)


@pytest.mark.parametrize("kind", ["grouped", "camera"])
def test_no_crop_is_tested_where_its_field_was_trained_on(
    examples: CellExamples, kind: str
) -> None:
    split = split_cells(examples, kind, 5, seed=0)
    for fold in split.folds:
        tested = {split.groups[index] for index in fold.test}
        assert not tested & {split.groups[index] for index in fold.train}


def test_the_two_sets_contradict_each_other_in_one_cell(examples: CellExamples) -> None:
    """Im024_1 of ALL-IDB2 is a blast, and no centroid of ALL-IDB1 marks the cell in two fields."""
    with pytest.raises(DataError, match="labels contradict") as error:
        refuse_cell_contradictions(examples, force=False, say=print)
    assert "Im024_1" in error.value.what
