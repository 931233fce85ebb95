"""Reads HEIC and HEIF with pi-heif."""

from __future__ import annotations

from typing import Any, BinaryIO

import pi_heif
from PIL import Image, ImageFile

from .video_colours import refuse_wide_colours


class HeicImage(ImageFile.ImageFile):
    """The largest picture of a HEIC file; it is decoded when its pixels are needed.

    The orientation of the file is applied while it is decoded.
    """

    format = "HEIF"

    def _open(self) -> None:
        pictures = list(pi_heif.HeifFile(self.fp, hdr_to_16bit=True))
        primary = next((picture for picture in pictures if picture.info["primary"]), pictures[0])
        largest = max(pictures, key=_pixels)
        self._picture = primary if _pixels(primary) == _pixels(largest) else largest
        self._size, self._mode = self._picture.size, self._picture.mode
        keys = ("exif", "icc_profile", "nclx_profile")
        self.info = {key: self._picture.info[key] for key in keys if self._picture.info.get(key)}
        if "exif" in self.info:
            self._remove_orientation()
        self.tile = []

    def load(self) -> Any:
        """Decode the pixels."""
        if self._im is None:
            self._picture.info.setdefault("exif", None)
            picture = self._picture.to_pillow()
            self._size, self._mode = picture.size, picture.mode
            self.im = picture.im
        return super().load()

    def _remove_orientation(self) -> None:
        """Remove the orientation from the EXIF data: libheif applies the file's own."""
        exif = Image.Exif()
        exif.load(self.info["exif"])
        exif.pop(0x0112, None)
        self.info["exif"] = exif.tobytes()


def open_heic(file: str | BinaryIO, name: str) -> Image.Image:
    """Open the largest picture of a HEIC file; of equal ones, the primary picture.

    Parameters
    ----------
    file : str or binary file object
    name : str
        Of the file, in messages.

    Returns
    -------
    PIL.Image.Image

    Raises
    ------
    ImageError
        If its colours are wider than sRGB and it has no ICC profile.
    """
    image = HeicImage(file)
    colours = image.info.get("nclx_profile")
    if colours and "icc_profile" not in image.info:
        refuse_wide_colours(name, colours["color_primaries"], colours["transfer_characteristics"])
    return image


def _pixels(picture: Any) -> int:
    return int(picture.size[0] * picture.size[1])
