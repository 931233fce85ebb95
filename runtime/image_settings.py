"""The settings of the image path, which travel in run and bundle as data; standard library only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from ..errors import BundleError

GEOMETRIES = ("squash", "crop")


@dataclass(frozen=True)
class ImageSettings:
    """The settings of the image path; they travel in the bundle as data.

    Parameters
    ----------
    size : int
        Side of the square the model sees, in pixels.
    geometry : {"squash", "crop"}
        ``squash`` resizes the whole image to a square, as the paper did; ``crop`` takes the
        centre square first, so that no aspect ratio is stretched.
    draft : int
        A JPEG is decoded at the smallest of its reduced scales that is still at least this
        many pixels on both sides.
    """

    size: int = 224
    geometry: str = "squash"
    draft: int = 448

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, settings: dict[str, Any]) -> ImageSettings:
        """Return the settings a bundle or a run holds.

        Raises
        ------
        BundleError
            If a setting is one that this version does not know: ignoring it would be a second
            image path.
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
