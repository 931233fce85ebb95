"""The settings of cells as runs and bundles store them."""

import pytest

from alledge.errors import BundleError
from alledge.runtime.cells.detection_settings import DetectionSettings
from alledge.runtime.cells.settings import CellSettings


def test_settings_survive_a_round_trip() -> None:
    detection = DetectionSettings(min_stain=2.0, min_radius=0.4, max_radius=2.0, max_cells=50)
    settings = CellSettings(field_pixels=640, detection=detection)
    assert CellSettings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"min_stain": 0}, r"cells\.detection\.min_stain"),
        ({"min_stain": "2"}, r"cells\.detection\.min_stain"),
        ({"min_radius": 0.01}, r"cells\.detection\.min_radius"),
        ({"min_radius": float("nan")}, r"cells\.detection\.min_radius"),
        ({"max_radius": 0.2}, r"cells\.detection\.max_radius"),
        ({"max_radius": 1000}, r"cells\.detection\.max_radius"),
        ({"max_cells": 0}, r"cells\.detection\.max_cells"),
        ({"max_cells": 10.5}, r"cells\.detection\.max_cells"),
        ({"colour": 1}, "does not know"),
    ],
)
def test_a_wrong_setting_of_detection_is_refused_by_name(
    change: dict[str, object], message: str
) -> None:
    settings = CellSettings().to_json()
    settings["detection"] |= change
    with pytest.raises(BundleError, match=message):
        CellSettings.from_json(settings)


def test_a_missing_setting_of_detection_is_refused_by_name() -> None:
    settings = CellSettings().to_json()
    del settings["detection"]["min_stain"]
    with pytest.raises(BundleError, match=r"cells\.detection\.min_stain"):
        CellSettings.from_json(settings)
