"""Pillow images that are decoded by other readers, or a few rows at a time."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from PIL import Image

Decoder = Callable[[], tuple[Image.Image, tuple[str, ...]]]


class LazyImage(Image.Image):
    """An image that is opened, and not decoded yet.

    Parameters
    ----------
    size : (int, int)
        Width and height in pixels.
    form : str
        Name of the file format, as Pillow writes it.
    decoder : callable
        Returns the decoded RGB image, and flags of its pixels.
    info : dict, optional
        As ``info`` of a Pillow image: ``exif``, ``icc_profile``.
    """

    def __init__(
        self,
        size: tuple[int, int],
        form: str,
        decoder: Decoder,
        info: dict[Any, Any] | None = None,
    ) -> None:
        super().__init__()
        self._mode, self._size = "RGB", size
        self.format = form
        self.info = dict(info or {})
        self.flags: tuple[str, ...] = ()
        self._decoder: Decoder | None = decoder

    def load(self) -> Any:
        """Decode the pixels once."""
        if self._decoder is not None:
            image, self.flags = self._decoder()
            self._decoder = None
            image.load()
            self.im = image.im
        return super().load()


class StripedImage(Image.Image):
    """A large image that gives its rows from top to bottom without being decoded as a whole."""

    flags: tuple[str, ...] = ()

    @abstractmethod
    def strips(self) -> Iterator[Image.Image]:
        """Yield the rows as images of 8 bits a sample."""
