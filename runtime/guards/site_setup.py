"""Adds the microscope of a site to the imaging setups that guards know; standard library and numpy.

The guards measure how far an image is from the nearest imaging setup of training. A site adds one
more setup with the same scales, correlations and limit: an image that differs from it as much as an
unusual training image differs from its setup is flagged as before. The brightness of the site is
usual too; what is too dark or clipped is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from ..imaging import UNKNOWN_CAMERA
from ..json_values import check_list, check_number, check_numbers, check_object, check_text
from .guards import bright_limit
from .image_statistics import CAMERA, MICROSCOPE, SIZE

if TYPE_CHECKING:
    from ..types import GuardsRecord, Statistics

MAX_BRIGHTNESS = 1.1  # white is 1, and the margin of `bright_limit` at most a tenth


class SiteSetup(TypedDict):
    """The imaging setup of a site: medians of its fields, and the limit of their brightness."""

    centre: dict[str, float]
    brightness: float  # mean value above which a field is brighter than those of the site
    size: list[int] | None  # longer and shorter side of the files; None if they differ
    camera: str


def site_setup(statistics: Sequence[Statistics]) -> SiteSetup:
    """Return the imaging setup of fields.

    Parameters
    ----------
    statistics : sequence of dict
        What `image_statistics` or `field_statistics` returned for each field.
    """
    sizes = {tuple(row[SIZE]) for row in statistics if SIZE in row}
    cameras = {str(row[CAMERA]) for row in statistics}
    return {
        "centre": {
            name: float(np.median([row[name] for row in statistics])) for name in MICROSCOPE
        },
        "brightness": bright_limit([row["brightness"] for row in statistics]),
        "size": list(sizes.pop()) if len(sizes) == 1 else None,
        "camera": cameras.pop() if len(cameras) == 1 else UNKNOWN_CAMERA,
    }


def with_setup(guards: GuardsRecord | None, setup: SiteSetup | None) -> GuardsRecord | None:
    """Return guards that know the imaging setup of a site too.

    Parameters
    ----------
    guards : dict or None
    setup : dict or None
        From `site_setup`; None changes nothing.
    """
    if guards is None or setup is None:
        return guards
    distance = guards["unfamiliar_microscope"]
    centre = [setup["centre"][name] for name in distance["features"]]
    exposure = guards["exposure"]
    darkest, brightest = exposure["brightness"]
    if brightest is not None:
        brightest = max(brightest, setup["brightness"])
    changed: GuardsRecord = {
        **guards,
        "unfamiliar_microscope": {**distance, "centres": [*distance["centres"], centre]},
        "exposure": {**exposure, "brightness": [darkest, brightest]},
    }
    if guards["cameras"] and setup["camera"] != UNKNOWN_CAMERA:
        changed["cameras"] = sorted({*guards["cameras"], setup["camera"]})
    if guards["sizes"] is not None and guards["sizes"]["usual"] and setup["size"]:
        usual = [*guards["sizes"]["usual"], setup["size"]]
        changed["sizes"] = {**guards["sizes"], "usual": usual}
    return changed


def check_setup(value: object, key: str) -> None:
    """Check the setup that a site profile stores.

    Raises
    ------
    InvalidValueError
    """
    row = check_object(value, key, ("centre", "brightness", "size", "camera"))
    centre = check_object(row["centre"], f"{key}.centre", MICROSCOPE)
    check_numbers([centre[name] for name in MICROSCOPE], f"{key}.centre", len(MICROSCOPE))
    check_number(row["brightness"], f"{key}.brightness", 0, MAX_BRIGHTNESS)
    if row["size"] is not None:
        check_list(row["size"], f"{key}.size", 2, 2)
        check_numbers(row["size"], f"{key}.size", 2, 1, 1e6)
    check_text(row["camera"], f"{key}.camera")
