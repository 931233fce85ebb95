"""The ablation of cells: its figures, its rows, and that finished rows are not computed again."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from alledge.benchmarks.internal.cell_ablation.__main__ import main
from alledge.benchmarks.internal.cell_ablation.figures import (
    Scores,
    measure_difference,
    measure_figure,
    sensitivity_at,
    weighted_auc,
)
from alledge.benchmarks.internal.cell_ablation.least_other import called_other
from alledge.benchmarks.internal.cell_ablation.probe import fit_blast_probe
from alledge.benchmarks.internal.cell_ablation.row_store import (
    EVERY_CELL_A_BLAST,
    in_training_half,
)
from alledge.benchmarks.internal.cell_ablation.variants import variants
from alledge.runtime.cells.field_rule import FieldRule
from alledge.runtime.metrics.intervals import auc


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from alledge.train.phantom.smears import generate

    return generate(tmp_path_factory.mktemp("fields") / "set", images=24, size=480)


def test_rows_are_unique_and_begin_with_the_reference() -> None:
    rows = variants(("vgg16", "mobilenetv2"))
    assert len({(row.group, row.name) for row in rows}) == len(rows)
    assert rows[0].name.startswith("reference")
    assert {row.unit for row in rows} == {"cell", "field", "camera", "count"}


def test_a_limit_keeps_the_label_other_for_sure_cells_only() -> None:
    scores = np.array([[0.2, 0.6, 0.2], [0.1, 0.8, 0.1], [0.0, 0.45, 0.55], [0.5, 0.4, 0.1]])
    labels = ("healthy", "other", "blast")
    assert called_other(scores, labels, 0.0).tolist() == [True, True, False, False]
    assert called_other(scores, labels, 0.7).tolist() == [False, True, False, False]


def test_the_weighted_auc_is_that_of_repeated_examples() -> None:
    random = np.random.default_rng(0)
    truth, score = random.random(40) < 0.4, random.random(40).round(1)
    weights = random.integers(0, 3, 40)
    repeated = np.repeat(np.arange(40), weights)
    expected = auc(truth[repeated], score[repeated])
    assert weighted_auc(truth, score, weights.astype(float)) == pytest.approx(expected)


def test_the_sensitivity_keeps_the_specificity_where_scores_are_equal() -> None:
    truth = np.array([True] * 4 + [False] * 20)
    score = np.array([0.9, 0.8, 0.5, 0.1] + [0.5] * 2 + [0.2] * 18)
    assert sensitivity_at(truth, score, np.ones(24)) == 0.5
    assert sensitivity_at(truth, np.where(truth, 1.0, 0.0), np.ones(24)) == 1.0


def test_a_row_gains_nothing_over_itself() -> None:
    random = np.random.default_rng(1)
    truth = np.arange(30) % 3 == 0
    scores = Scores(truth, random.random((2, 30)), np.arange(30).astype(str))
    figure = measure_figure(scores, weighted_auc)
    assert figure["low"] <= figure["value"] <= figure["high"]
    gain = measure_difference(scores, scores, weighted_auc)
    assert gain == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_negatives_pull_the_probe_away_from_their_side() -> None:
    random = np.random.default_rng(2)
    positive = np.arange(60) % 2 == 0
    features = random.normal(size=(60, 4)).astype(np.float32)
    features[positive, 0] += 2
    like_blasts = random.normal(size=(40, 4)).astype(np.float32) + np.array(
        [2, 0, 0, 0], np.float32
    )
    rows = np.arange(60)
    plain = fit_blast_probe([features], rows, positive).probability(like_blasts).mean()
    informed = fit_blast_probe([features], rows, positive, like_blasts)
    assert informed.probability(like_blasts).mean() < plain
    few = like_blasts[:4]
    unbalanced = fit_blast_probe([features], rows, positive, few)
    balanced = fit_blast_probe([features], rows, positive, few, balanced=True)
    assert balanced.probability(few).mean() < unbalanced.probability(few).mean()


def test_an_image_is_in_the_same_half_in_every_folder() -> None:
    names = tuple(f"kind/{number}.jpg" for number in range(50))
    half = in_training_half(names)
    assert 10 < half.sum() < 40
    assert np.array_equal(half, in_training_half(tuple(name.rpartition("/")[2] for name in names)))


def test_the_number_of_cells_alone_tells_fields_apart() -> None:
    few, many = (EVERY_CELL_A_BLAST.probability(np.zeros((n, 1), np.float32)) for n in (2, 9))
    rule = FieldRule(total=1.0)
    assert rule.probability(few) < rule.probability(many)


def test_a_finished_row_is_read_and_not_computed(data: Path, tmp_path: Path) -> None:
    words = ["--data", str(data), "--weights", str(tmp_path), "--rows", "control", "--seeds", "1"]
    first = CliRunner().invoke(main, [*words, "--out", str(tmp_path / "out")])
    assert first.exit_code == 0, first.output
    document = json.loads((tmp_path / "out" / "ablation.json").read_text(encoding="utf-8"))
    assert [row["row"] for row in document["rows"]] == ["camera alone", "number of cells alone"]
    assert "number of cells alone" in (tmp_path / "out" / "ablation.csv").read_text("utf-8")
    stored = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "rows").iterdir()}
    second = CliRunner().invoke(main, [*words, "--out", str(tmp_path / "out")])
    assert second.exit_code == 0, second.output
    assert stored == {
        path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "rows").iterdir()
    }
