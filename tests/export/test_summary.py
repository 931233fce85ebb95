"""What summary and card say where a cross-fitted cost is missing, or a layer is left in float."""

from pathlib import Path

import numpy as np
import pytest

from alledge.export.bundle.model_card import _in_float
from alledge.export.convert.quantization_recipes import Recipe
from alledge.export.options import Artifact, ExportOptions, ExportOutcome
from alledge.export.source_run import DecisionRule
from alledge.export.summary import summary
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


def told(figures: str, cost: dict | None, tiny_run, refused: dict[str, str] | None = None) -> str:
    """The summary of an export of one artifact."""
    gate = {
        "evaluated": True,
        "cross_fitted": cost,
        "not_cross_fitted": None if cost else "holdout",
    }
    made = Artifact(
        "onnx",
        Recipe(),
        DecisionRule(1.0, Thresholds()),
        Path(),
        np.zeros((1, 2), np.float32),
        {},
        {},
        {**FIGURES, "figures": figures},
        gate,
    )
    return summary(
        ExportOutcome(ExportOptions(tiny_run, "int8", out=Path("b")), {"onnx": made}), refused
    )


def test_a_holdout_has_no_cross_fitted_cost_and_the_gate_s_own_figures_are_not_shown_as_one(
    tiny_run,
):
    said = told("gate", None, tiny_run)
    assert "not cross-fitted (holdout)" in said
    assert "0.25" not in said
    assert said.splitlines()[1].split()[:7] == ["onnx", "pass", *["-"] * 5]


def test_a_cross_fitted_cost_is_shown_where_there_is_one(tiny_run):
    said = told("cross-fitted", COST, tiny_run)
    assert "1.0000/0.9000" in said
    assert said.splitlines()[1].split()[2:7] == ["0.2500", "0.0100", "0.990", "3", "1"]


def test_a_refused_format_is_a_row_with_its_reason(tiny_run):
    said = told("cross-fitted", COST, tiny_run, {"openvino": "no such kernel"})
    assert "openvino refused: no such kernel" in said
    assert any(line.split()[:2] == ["openvino", "refused"] for line in said.splitlines())


@pytest.mark.parametrize("names", [["Conv_1"], ["Conv_1", "Add_2"]])
def test_the_card_says_which_layers_stay_in_float_and_what_forced_it(names):
    tried = [
        {
            "recipe": "min-max ranges",
            "auc_drop": 0.02,
            "lost_positives": 1,
            "mean_dp": 0.05,
            "passed": False,
        },
        {"recipe": "the 4 costliest layers in float", "passed": True},
    ]
    said = _in_float({"left_in_float": names, "gate": {"tried": tried}})
    assert f"beside the last layer, {len(names)}:" in said
    assert all(f"`{name}`" in said for name in names)
    assert "min-max ranges: AUC drop 0.0200, lost positives 1" in said
