"""The settings of cell detection as runs and bundles store them."""

import pytest

from alledge.errors import BundleError
from alledge.runtime.cells.detection_settings import DetectionSettings


def test_settings_survive_a_round_trip() -> None:
    settings = DetectionSettings(min_stain=2.0, min_radius=0.4, max_radius=2.0, max_cells=50)
    assert DetectionSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"min_stain": 0}, "detection.min_stain"),
        ({"min_stain": "2"}, "detection.min_stain"),
        ({"min_radius": 0.01}, "detection.min_radius"),
        ({"min_radius": float("nan")}, "detection.min_radius"),
        ({"max_radius": 0.2}, "detection.max_radius"),
        ({"max_radius": 1000}, "detection.max_radius"),
        ({"max_cells": 0}, "detection.max_cells"),
        ({"max_cells": 10.5}, "detection.max_cells"),
        ({"colour": 1}, "does not know"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(change: dict[str, object], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        DetectionSettings.from_json(DetectionSettings().to_json() | change)


def test_a_missing_setting_is_refused_by_name() -> None:
    settings = DetectionSettings().to_json()
    del settings["min_stain"]
    with pytest.raises(BundleError, match=r"detection\.min_stain"):
        DetectionSettings.from_json(settings)
