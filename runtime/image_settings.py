"""The settings of image loading, which runs and bundles store; standard library only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from .json_values import check_choice, check_integer, check_known_keys, check_stored

GEOMETRIES = ("squash", "crop")
MAX_SIZE, MAX_DRAFT = 4096, 1 << 16  # of the square, and of a JPEG's longer side, in pixels


@dataclass(frozen=True)
class ImageSettings:
    """The settings with which an image file becomes the array that the model sees.

    Parameters
    ----------
    size : int
        Side of the square that the model sees, in pixels.
    geometry : {"squash", "crop"}
        ``squash`` resizes the whole image to a square, as in the paper. ``crop`` takes the
        centre square first, which keeps the aspect ratio.
    draft : int
        A JPEG is decoded at the smallest reduced scale that has at least this many pixels on
        both sides.
    """

    size: int = 224
    geometry: str = "squash"
    draft: int = 448

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> ImageSettings:
        """Return the settings that a bundle or a run stores.

        Raises
        ------
        BundleError
            If a setting is missing, has the wrong type or range, or is unknown to this version.
        """
        check_stored(check_settings, settings, "image_path")
        return cls(**settings)


def check_settings(value: object, key: str) -> None:
    """Check settings that were read from JSON.

    An unknown setting cannot be ignored, because the model would then see other pixels than in
    training. For the same reason a missing one has no default.

    Parameters
    ----------
    value : object
        A dict, if it is right.
    key : str
        The key that it was read from.

    Raises
    ------
    InvalidValueError
    """
    known = [field.name for field in fields(ImageSettings)]
    settings = check_known_keys(value, key, known)
    check_integer(settings["size"], f"{key}.size", 1, MAX_SIZE)
    check_choice(settings["geometry"], f"{key}.geometry", GEOMETRIES)
    check_integer(settings["draft"], f"{key}.draft", 1, MAX_DRAFT)
