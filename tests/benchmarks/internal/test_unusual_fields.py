"""Fields that no camera should deliver, judged by the built-in bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alledge.benchmarks.internal.unusual_fields import drawing
from alledge.benchmarks.internal.unusual_fields.__main__ import classify, row
from alledge.benchmarks.internal.unusual_fields.smudge_verdicts import smudge_cells
from alledge.errors import RunError
from alledge.runtime.bundle.builtin import builtin_folder
from alledge.runtime.cells import cell_task
from alledge.runtime.cells.tables import counts_text
from alledge.runtime.classifier import Classifier
from alledge.train.runs.predictions import Predictions

needs_builtin = pytest.mark.skipif(
    not (builtin_folder() / "bundle.json").is_file(), reason="make builtin was not run"
)


@pytest.fixture(scope="module")
def classifier() -> Iterator[Classifier]:
    with Classifier.load("builtin", threads=1) as loaded:
        yield loaded


@needs_builtin
def test_a_field_of_smudge_cells_only_goes_to_review_and_few_are_counted(
    classifier: Classifier,
) -> None:
    """The microscope is unfamiliar, so that `other` needs a probability of 0.7."""
    result = classifier.classify(drawing.pale_smudges())
    assert result.status == "review"
    assert "unfamiliar_microscope" in result.flags
    assert result.counts is not None
    assert result.cells is not None
    assert len(result.cells) == len(drawing.GRID)
    assert result.counts.leucocytes <= len(drawing.GRID) // 3
    assert result.counts.blasts == 0


@needs_builtin
def test_the_model_calls_smudge_cells_other(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_task, "LEAST_OTHER", 0.0)
    result = classifier.classify(drawing.pale_smudges())
    assert (result.status, result.label, result.probability) == ("review", None, None)
    assert "too_few_cells" in result.flags
    assert result.counts is not None
    assert result.cells is not None
    text = counts_text(result.counts, result.cells)
    assert text == "no leucocyte found, only smudge cells and cells called other"


@needs_builtin
@pytest.mark.parametrize("draw", [drawing.dark_smudges, drawing.giant_cell])
def test_what_the_model_does_not_know_goes_to_review(
    classifier: Classifier, draw: Callable[[], Image.Image]
) -> None:
    assert classifier.classify(draw(), taken_as="field").status == "review"


@needs_builtin
def test_a_field_is_answered_by_a_process_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "field.jpg"
    drawing.crop_of_one_cell().save(path)
    [record], peak_mib = classify([path], "builtin")
    assert record["as"] == "field"
    assert peak_mib > 0
    assert row("crop", record, 99.6).startswith("| crop | review | healthy | 1 | 0 | 0 | 0 |")


def test_smudge_cells_of_a_run_are_known_and_not_counted() -> None:
    labels = ("healthy", "other", "blast")
    predictions = Predictions(
        images=("a#1,1", "a#2,2", "b#1,1"),
        groups=("a", "a", "b"),
        cameras=("X", "X", "X"),
        folds=np.array([1, 1, 2]),
        truth=np.array([1, 1, 0]),
        scores=np.full((3, 3), 1 / 3),
        counted=np.array([True, False, False]),
        known=np.array([True, True, True]),
    )
    assert smudge_cells(predictions, labels).images == ("a#2,2",)
    with pytest.raises(RunError, match="no cells with the label other"):
        smudge_cells(predictions, ("healthy", "blast"))
