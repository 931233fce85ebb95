"""Types that several modules of `alledge.runtime` share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

RGB = NDArray[np.uint8]  # (H, W, 3), red, green, blue
ImageSource = str | Path | Image.Image | RGB  # a file, an opened image, or its pixels
