"""The settings of image loading, which runs and bundles store; standard library only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from ..errors import BundleError

GEOMETRIES = ("squash", "crop")


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
            If this version does not know a setting. It cannot be ignored, because the model
            would then see other pixels than in training.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(settings) - known)
        if unknown or settings.get("geometry", "squash") not in GEOMETRIES:
            raise BundleError(
                f"the image path has settings this version does not know: {unknown or settings}",
                allowed=sorted(known),
                fix="update alledge on this machine",
            )
        return cls(**settings)
