"""Which image formats this machine reads, with which reader; what `alledge doctor` lists."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from typing import NamedTuple

from ..runtime.imaging.readers import READERS
from ..runtime.imaging.refusals import FORMAT_NAMES

# What of TIFF is read with a package other than Pillow.
TIFF_READERS = (("TIFF, planes and pages", "tifffile"), ("TIFF, rare codecs", "imagecodecs"))
REFUSED = "Zeiss CZI, Leica LIF, Nikon ND2, Olympus VSI, slides, camera raw files, JPEG XL"


class FormatRow(NamedTuple):
    """A row of the list: the format, and package and version that read it, None if none does."""

    form: str
    reader: str | None


def image_formats() -> list[FormatRow]:
    """Return the formats that alledge knows, with the reader that this machine has for each."""
    readers = [(reader.format, reader.package, reader.installed) for reader in READERS]
    readers += [
        (form, name, importlib.util.find_spec(name) is not None) for form, name in TIFF_READERS
    ]
    plain = FormatRow("of Pillow", f"{_version('pillow')}: {', '.join(FORMAT_NAMES)}")
    return [plain] + [
        FormatRow(form, _version(name) if has else None) for form, name, has in readers
    ]


def _version(package: str) -> str:
    return f"{package} {importlib.metadata.version(package)}"
