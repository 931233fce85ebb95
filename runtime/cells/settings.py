"""All settings that turn a field into the squares of its cells; runs and bundles store them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from ..json_values import check_integer, check_known_keys, check_stored
from .crop_settings import CropSettings, check_crop_settings
from .detection_settings import DetectionSettings, check_detection_settings

MIN_FIELD_PIXELS, MAX_FIELD_PIXELS = 64, 1 << 14


@dataclass(frozen=True)
class CellSettings:
    """How the cells of a field are found and cut out.

    Parameters
    ----------
    field_pixels : int
        A field is reduced by 1, 2, 4 or 8, so that both sides keep at least this many pixels.
    detection : DetectionSettings
    crop : CropSettings
    """

    field_pixels: int = 800
    detection: DetectionSettings = field(default_factory=DetectionSettings)
    crop: CropSettings = field(default_factory=CropSettings)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a JSON object."""
        return {
            "field_pixels": self.field_pixels,
            "detection": self.detection.to_json(),
            "crop": self.crop.to_json(),
        }

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> CellSettings:
        """Return the settings that a bundle or a run stores.

        Raises
        ------
        BundleError
            If a setting is missing, has the wrong type or range, or is unknown to this version.
        """
        check_stored(check_cell_settings, settings, "cells")
        return cls(
            settings["field_pixels"],
            DetectionSettings(**settings["detection"]),
            CropSettings(**settings["crop"]),
        )


def check_cell_settings(value: object, key: str) -> None:
    """Check cell settings that were read from JSON.

    Parameters
    ----------
    value : object
        A dict, if it is right.
    key : str
        The key that it was read from.

    Raises
    ------
    InvalidValueError
        If a setting is missing, unknown, of the wrong type or outside its range.
    """
    known = [setting.name for setting in fields(CellSettings)]
    settings = check_known_keys(value, key, known)
    check_integer(
        settings["field_pixels"], f"{key}.field_pixels", MIN_FIELD_PIXELS, MAX_FIELD_PIXELS
    )
    check_detection_settings(settings["detection"], f"{key}.detection")
    check_crop_settings(settings["crop"], f"{key}.crop")
