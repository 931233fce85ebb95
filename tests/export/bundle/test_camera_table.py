"""The model card has the figures of each camera."""

from __future__ import annotations

from typing import Any

from alledge.export.bundle.camera_table import camera_table

FIGURE = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 10}
CAMERA: dict[str, Any] = {"images": 10, "accuracy": FIGURE, "sensitivity": None, "auc": FIGURE}


def test_each_camera_has_its_figures_and_a_dash_where_it_has_one_class_alone() -> None:
    cells = {"cameras": {"Canon": CAMERA, "Olympus": CAMERA}}
    text = camera_table({**cells, "fields": {"cameras": {"Canon": CAMERA}}})
    assert "| Olympus | 10 cells | 0.900 (0.800 to 0.950) | – | – | 0.900" in text
    assert "| Canon | 10 fields |" in text
    assert "| Canon | 10 images |" in camera_table(cells)


def test_one_camera_has_no_table() -> None:
    assert camera_table({"cameras": {"Canon": CAMERA}}) == ""
    assert camera_table({}) == ""
