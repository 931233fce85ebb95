"""Image loading, one way for training, calibration, evaluation and the device."""

from .loading import load_image, load_picture, load_rgb
from .opening import IMAGE_FORMATS, MAX_MEGAPIXELS, UNKNOWN_CAMERA, Header, open_image, read_header

__all__ = [
    "IMAGE_FORMATS",
    "MAX_MEGAPIXELS",
    "UNKNOWN_CAMERA",
    "Header",
    "load_image",
    "load_picture",
    "load_rgb",
    "open_image",
    "read_header",
]
