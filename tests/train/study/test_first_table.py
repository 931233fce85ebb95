"""The first table of a study: at home, other cameras, other laboratories, after adopting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from alledge.cli import main
from alledge.errors import DataError
from alledge.train.study.first_table import first_table
from alledge.train.study.other_microscopes import other_microscopes

FIGURES = dict.fromkeys(("auc", "ece", "floor", "brier", "sensitivity", "specificity"), 0.9)
TRIALS = {
    "schema": "alledge/adoption-trials",
    "schema_version": 1,
    "model": "mobilenetv2",
    "run": "camera-run",
    "fine_tuned": True,
    "cameras": [
        {
            "camera": "B",
            "networks": 2,
            "trials": [
                {"cells": size, "trials": 8, "adopted": 4, "shipped": FIGURES,
                 "refitted": {**FIGURES, "auc": 0.9 + size / 4000}, "auc_range": [0.8, 0.97]}
                for size in (25, 50, 100, 200)
            ],
            "all_cells": {
                "cells": 300,
                "ece": 0.02,
                "against": [{"label": "all", "cells": 90, "shipped": 0.912, "refitted": 0.95}],
            },
        }
    ],
}  # fmt: skip
LABORATORIES = {
    "schema": "alledge/healthy-cells",
    "schema_version": 1,
    "model": "mobilenetv2",
    "bundle": {"name": "builtin", "digest": f"sha256:{'0' * 64}"},
    "data": ["all-idb1", "folders"],
    "auc": {"value": 0.988, "low": 0.98, "high": 0.99},
    "rows": [
        {"set": "PBC", "kind": kind, "cells": 50, "answered": 50, "blasts": 1, "other": 0,
         "review": 3}
        for kind in ("lymphocyte", "monocyte")
    ],
}  # fmt: skip


def study(**more: Any) -> Any:
    def section(split: str, name: str, area: float) -> Any:
        auc = {"value": area, "low": area - 0.02, "high": area + 0.01}
        row = {"model": "vgg16", "kind": "head", "weights": "given", "summary": {"auc": auc}}
        alone = {"summary": {"auc": {"value": 0.5, "low": 0.5, "high": 0.5}}}
        return {
            "split": split,
            "name": name,
            "rows": [row | {"title": "VGG16"}],
            "camera_alone": alone,
        }

    return {
        "settings": {"models": ["vgg16"], "task": "cell", "left_out": {}},
        "remaining": {"fits": 0},
        "sections": [section("grouped", "grouped", 0.97), section("camera", "A → B", 0.91)],
        "other_microscopes": {},
    } | more


def test_what_is_not_measured_says_what_to_type() -> None:
    table = first_table(study())
    titles = [group["title"] for group in table["groups"]]
    assert titles == ["at home", "other camera", "other laboratories", "after adopting"]
    assert table["groups"][3]["columns"] == ["25 cells", "50 cells", "100 cells", "200 cells"]
    alone, row = table["rows"]
    assert alone["figures"]["at home"]["AUC"][0]["value"] == 0.5
    assert row["figures"]["at home"]["AUC"][0]["value"] == 0.97
    assert row["figures"]["other camera"]["→ B"][0]["value"] == 0.91
    laboratories, adopted = table["missing"]
    assert "healthy_cells BUNDLE" in laboratories
    assert "--laboratories FILE.json" in laboratories
    assert "adoption.trials RUN" in adopted
    assert "--adoption FILE.json" in adopted


def test_the_files_of_other_commands_give_rows_of_their_own() -> None:
    documents = {"adoption-trials": TRIALS, "healthy-cells": LABORATORIES}
    table = first_table(study(other_microscopes=documents))
    assert table["missing"] == []
    adopted, elsewhere = table["rows"][:2]
    assert adopted["words"] == "fine-tuned, run camera-run"
    assert adopted["figures"]["other camera"]["→ B"][0]["value"] == 0.912
    assert adopted["figures"]["after adopting"]["100 cells"][0] == {
        "value": 0.925, "low": 0.8, "high": 0.97, "note": "→ B",
    }  # fmt: skip
    assert elsewhere["words"] == "bundle builtin, trained on all-idb1 + folders"
    (share,) = elsewhere["figures"]["other laboratories"]["called blasts"]
    assert (share["value"], share["note"]) == (0.02, "PBC: 2 of 100")


def test_a_study_of_fields_points_to_cells_and_a_camera_split() -> None:
    settings = {"models": ["vgg16"], "left_out": {"camera": "one camera took all blasts"}}
    table = first_table(study(settings=settings, sections=study()["sections"][:1]))
    assert [group["title"] for group in table["groups"]] == ["at home", "other camera"]
    camera, cells = table["missing"]
    assert camera == "other camera: one camera took all blasts"
    assert "--task cell" in cells
    assert first_table(study(settings=settings, remaining={"fits": 3}))["missing"] == []


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "trials.json"
    path.write_text(json.dumps(TRIALS), encoding="utf-8")
    assert set(other_microscopes(path, None)) == {"adoption-trials"}
    with pytest.raises(DataError, match="not 'alledge/healthy-cells'") as caught:
        other_microscopes(None, path)
    assert "--laboratories with the file of" in str(caught.value)
    path.write_text(json.dumps({**TRIALS, "cameras": [{"camera": "B"}]}), encoding="utf-8")
    with pytest.raises(DataError, match=r"cameras\[0\]"):
        other_microscopes(path, None)
    words = ["study", "--data", str(tmp_path), "--adoption", str(path)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "--adoption is an option of cells" in result.output
