"""The images that judge an artifact beside the gate, or in its place."""

import numpy as np
import pytest

from alledge.export.gate.accuracy_gate import Budget
from alledge.export.gate.parity import CALIBRATION, FAIL, PASS, RUN_IMAGES
from alledge.export.shipped_check import CheckImages, ShippedCheck, check_images
from alledge.export.source_run import read_run_images
from alledge.export.types import DecisionRule
from alledge.runtime.metrics.decisions import Thresholds

RULE = DecisionRule(1.0, Thresholds(0.5, (0.4, 0.6)))
P = np.linspace(0.05, 0.95, 20)


def scores(p: np.ndarray) -> np.ndarray:
    return np.stack([1 - p, p], axis=1).astype(np.float32)


@pytest.fixture
def check() -> ShippedCheck:
    images = np.zeros((20, 8, 8, 3), np.uint8)
    chosen = CheckImages(images, RUN_IMAGES, P > 0.5)
    return ShippedCheck(chosen, scores(P), RULE, ["hem", "all"], ["all"])


@pytest.mark.parametrize(("shift", "verdict"), [(0.01, PASS), (0.2, FAIL)])
def test_the_mean_difference_on_the_images_of_the_run_judges_without_a_gate(check, shift, verdict):
    row = check.verdict(scores(np.abs(P - shift)), RULE, "int8")
    assert (row["verdict"], row["measured_on"], row["images"]) == (verdict, RUN_IMAGES, 20)
    assert row["gate"] == "not evaluated"


def test_lost_positives_are_refused_beside_a_gate_and_recorded_without_one(check):
    worse = P.copy()
    worse[-1] = 0.3
    shipped = check.figures(scores(worse), RULE, "int8", Budget())
    row = check.verdict(scores(worse), RULE, "int8")
    assert (shipped["lost_positives"], shipped["passed"]) == (1, False)
    assert (row["lost_positives"], row["verdict"]) == (1, PASS)


def test_the_images_of_the_run_come_before_those_of_the_calibration(tiny_run):
    run_images = read_run_images(tiny_run)
    given = run_images.calibration_images()
    gated = check_images(tiny_run, run_images, given, gated=True)
    ungated = check_images(tiny_run, run_images, given, gated=False)
    assert (gated.measured_on, ungated.measured_on) == (RUN_IMAGES, RUN_IMAGES)
    assert ungated.is_positive.sum() == gated.is_positive.sum()
    alone = check_images(tiny_run, None, given, gated=False)
    assert (alone.measured_on, alone.is_positive) == (CALIBRATION, None)
    assert check_images(tiny_run, None, None, gated=False) is None
