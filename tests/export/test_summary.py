"""The summary of an export, and the model card of an artifact with layers left in float."""

import json
from pathlib import Path

import numpy as np
import pytest

from alledge.export.bundle.model_card import model_card
from alledge.export.convert.quantization_recipes import Recipe
from alledge.export.options import ExportOptions, ExportOutcome
from alledge.export.summary import summary
from alledge.export.types import Artifact, DecisionRule
from alledge.runtime.metrics.decisions import Thresholds

FIGURES = {
    "max_dp": 0.25,
    "mean_dp": 0.01,
    "agreement": 0.99,
    "lost_positives": 3,
    "to_review": 1,
    "verdict": "pass",
}
COST = {"auc_float": 1.0, "auc": 0.9}


def summary_of(
    figures: str, cost: dict | None, tiny_run, unsupported: dict[str, str] | None = None
) -> str:
    """Return the summary of an export of one artifact."""
    artifact = Artifact(
        format_name="onnx",
        recipe=Recipe(),
        rule=DecisionRule(1.0, Thresholds()),
        folder=Path(),
        scores=np.zeros((1, 2), np.float32),
        variants={},
        produced_by={},
        left_in_float=[],
        parity={**FIGURES, "figures": figures},
        gate={
            "evaluated": True,
            "cross_fitted": cost,
            "not_cross_fitted": None if cost else "holdout",
        },
    )
    options = ExportOptions(tiny_run, "int8", out=Path("b"))
    return summary(ExportOutcome(options, {"onnx": artifact}, log=[]), unsupported)


def test_the_gate_s_own_figures_are_not_shown_as_the_cost_of_a_holdout(tiny_run):
    text = summary_of("gate", None, tiny_run)
    assert "not cross-fitted (holdout)" in text
    assert "0.25" not in text
    assert text.splitlines()[1].split()[:7] == ["onnx", "pass", *["-"] * 5]


def test_a_cross_fitted_cost_is_shown(tiny_run):
    text = summary_of("cross-fitted", COST, tiny_run)
    assert "1.0000/0.9000" in text
    assert text.splitlines()[1].split()[2:7] == ["0.2500", "0.0100", "0.990", "3", "1"]


def test_a_refused_format_is_a_row_with_its_reason(tiny_run):
    text = summary_of("cross-fitted", COST, tiny_run, {"openvino": "no such kernel"})
    assert "openvino refused: no such kernel" in text
    assert any(line.split()[:2] == ["openvino", "refused"] for line in text.splitlines())


@pytest.mark.parametrize("names", [["Conv_1"], ["Conv_1", "Add_2"]])
def test_the_card_names_the_layers_left_in_float_and_the_recipe_that_failed(names, int8_bundle):
    record = json.loads((int8_bundle.path / "bundle.json").read_text(encoding="utf-8"))
    parity = json.loads((int8_bundle.path / "parity.json").read_text(encoding="utf-8"))
    entry = record["formats"]["onnx"]
    entry["left_in_float"] = names
    first = {"recipe": "min-max ranges", "auc_drop": 0.02, "lost_positives": 1, "mean_dp": 0.05}
    entry["gate"]["tried"] = [
        {**first, "passed": False},
        {"recipe": "the 4 costliest layers in float", "passed": True},
    ]
    card = model_card(record, parity)
    assert f"beside the last layer, {len(names)}:" in card
    assert all(f"`{name}`" in card for name in names)
    assert "before it: min-max ranges: AUC drop 0.0200, lost positives 1" in card
