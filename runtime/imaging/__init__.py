"""Image loading, one way for training, calibration, evaluation and the device."""

from .fields import load_field
from .loading import load_flagged_picture, load_image, load_picture, load_rgb
from .opening import (
    IMAGE_FORMATS,
    MAX_FILE_MIB,
    MAX_MEGAPIXELS,
    UNKNOWN_CAMERA,
    Header,
    open_image,
    read_header,
)
from .sources import is_one_image, name_of, resolve_source

__all__ = [
    "IMAGE_FORMATS",
    "MAX_FILE_MIB",
    "MAX_MEGAPIXELS",
    "UNKNOWN_CAMERA",
    "Header",
    "is_one_image",
    "load_field",
    "load_flagged_picture",
    "load_image",
    "load_picture",
    "load_rgb",
    "name_of",
    "open_image",
    "read_header",
    "resolve_source",
]
