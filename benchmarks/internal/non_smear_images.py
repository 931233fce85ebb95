"""Images that are no blood smear: drawn images, and sample photographs of installed packages.

The guards are measured with them. Half of the sources were set aside before anything was tuned.
`is_untouched` decides by the name of the source. So all images of one kind, and all views of one
photograph, are in the same half.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from .drawn_images import KINDS

IMAGES_PER_KIND = 6
MIN_SIDE_PX = 96  # smaller files are icons
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".gif", ".webp", ".bmp")
# Packages that install sample images, and the folder inside the package.
SAMPLE_FOLDERS = {
    "skimage": "data",
    "sklearn": "datasets/images",
    "matplotlib": "mpl-data/sample_data",
    "mahotas": "demos/data",
}


def is_untouched(source: str) -> bool:
    """Return whether a source belongs to the half that nothing was tuned on."""
    return hashlib.sha256(source.encode()).digest()[0] % 2 == 1


def drawn_images() -> Iterator[tuple[str, Image.Image]]:
    """Yield the source and the image of every kind that is drawn."""
    for kind, draw in KINDS.items():
        for number in range(IMAGES_PER_KIND):
            seed = int.from_bytes(hashlib.sha256(f"{kind}{number}".encode()).digest()[:4], "little")
            yield f"drawn/{kind}", draw(np.random.default_rng(seed))


def sample_photographs(*folders: Path) -> Iterator[tuple[str, Image.Image]]:
    """Yield the source and the image of sample photographs: each whole, and two parts of it.

    Parameters
    ----------
    *folders : Path
        Folders of more photographs, searched recursively.
    """
    packages = [(name, _package_folder(name, inner)) for name, inner in SAMPLE_FOLDERS.items()]
    for name, folder in [*packages, *((path.name, path) for path in folders)]:
        if folder is None:
            continue
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() not in SUFFIXES:
                continue
            try:
                with Image.open(path) as image:
                    whole = image.convert("RGB")
            except OSError:
                continue
            if min(whole.size) >= MIN_SIDE_PX:
                yield from ((f"{name}/{path.stem}", view) for view in _views(whole))


def _package_folder(package: str, inner: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / inner
    return folder if folder.is_dir() else None


def _views(whole: Image.Image) -> Iterator[Image.Image]:
    """Yield the whole image and, if it is large enough, two overlapping parts."""
    width, height = whole.size
    yield whole
    if min(whole.size) >= 2 * MIN_SIDE_PX:
        yield whole.crop((0, 0, width * 3 // 5, height * 3 // 5))
        yield whole.crop((width * 2 // 5, height * 2 // 5, width, height))
