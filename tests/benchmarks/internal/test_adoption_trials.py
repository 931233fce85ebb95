"""`adoption.trials`: figures of a camera before and after adopting, and their document."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import numpy as np
import pytest

from alledge.benchmarks.internal.adoption import trials
from alledge.benchmarks.internal.adoption.unseen_cameras import OtherCamera
from alledge.runtime.bundle.last_layers import LastLayer
from alledge.runtime.sites.refit import SiteHead
from alledge.runtime.sites.solver import Examples

SCHEMA = Path(__file__).resolve().parents[3] / "runtime" / "schemas" / "adoption-trials.json"
SIZE = 8


def other_camera() -> OtherCamera:
    """Return cells whose classes lie in another direction than the shipped layer knows."""
    random = np.random.default_rng(0)
    truth, groups = random.integers(2, size=200), np.repeat(np.arange(40), 5)
    features = random.normal(size=(200, SIZE))
    features[:, 0] += 3 * truth
    weights = np.zeros((SIZE, 2))
    weights[1] = (-1.0, 1.0)
    shipped = SiteHead(LastLayer(weights, np.zeros(2)), 1.0, 0.5, (0.4, 0.6))
    return OtherCamera("B", 1, Examples(features.astype(np.float32), truth, groups), shipped)


def test_the_document_has_the_figures_that_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "SIZES", (25, 10_000))  # so many would leave no field
    record = {"model": "vgg16", "epochs": 0}
    run: Any = SimpleNamespace(
        labels=("healthy", "blast"), positive=("blast",), record=record, path=Path("run-1")
    )
    document = trials.measured(run, [other_camera()], 2)
    jsonschema.validate(document, json.loads(SCHEMA.read_text(encoding="utf-8")))
    (camera,) = document["cameras"]
    (row,) = camera["trials"]
    assert row["trials"] == 2
    assert row["refitted"]["auc"] > row["shipped"]["auc"] + 0.2
    assert row["auc_range"][0] <= row["refitted"]["auc"] <= row["auc_range"][1]
    text = trials.trials_text(document)
    assert "B: 1 networks" in text
    assert f"auc {row['refitted']['auc']:.3f}" in text
    assert f"against {(other_camera().examples.truth == 0).sum()} all: AUC" in text
