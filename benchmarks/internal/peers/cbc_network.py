"""Finds leucocytes with the network of `cbc` (PyPI), from its own script and weights.

The script of the package cannot be imported as it is: it is a command that reads
``/usr/share/cbc`` and asks for tensorflow 2.9. This module runs the functions of that script
with the weights of the wheel, under tf_keras (``TF_USE_LEGACY_KERAS=1``), and then does what its
command does: Otsu's threshold of the mask, and the connected components, of which those smaller
than `SMALLEST` are left out (its command counts them all).

    python cbc_network.py FOLDER_OF_THE_UNPACKED_WHEEL < paths > results
"""

from __future__ import annotations

import json
import sys
import time
import types
from pathlib import Path

SMALLEST = 1e-4  # share of the field, as in watershed.py


def load_script(wheel: Path) -> dict[str, object]:
    """Return the names of the package's script, with its leucocyte network chosen."""
    sys.modules["tensorflow_addons"] = types.ModuleType("tensorflow_addons")  # imported, not used
    script = next(wheel.glob("*.data/scripts/cbc"))
    names: dict[str, object] = {"__name__": "cbc", "cell_type": "wbc", "model_name": "wbc"}
    exec(compile(script.read_text(encoding="utf-8"), str(script), "exec"), names)
    return names


def main(wheel: Path) -> None:
    """Answer the paths of stdin."""
    import cv2
    import numpy as np

    names = load_script(wheel)
    model = names["do_unet"]()  # type: ignore[operator]
    model.load_weights(str(next(wheel.glob("*.data/data/share/cbc/weights/wbc.h5"))))
    for line in sys.stdin:
        began = time.perf_counter()
        path = line.rstrip("\n")
        images = names["load_data"]([path], padding=200)  # type: ignore[operator]
        chips = names["slice"](images)  # type: ignore[operator]
        rows, columns = names["get_sizes"](images)[0]  # type: ignore[operator]
        output = model.predict(chips, batch_size=8, verbose=0)
        mask = names["reshape"](output, rows, columns)  # type: ignore[operator]
        mask = np.squeeze(names["concat"](np.squeeze(mask)))  # type: ignore[operator]
        grey = np.rint(255 * np.clip(mask, 0, 1)).astype(np.uint8)
        _, binary = cv2.threshold(grey, 0, 255, cv2.THRESH_OTSU)
        height, width = (side - 400 for side in images[0].shape[:2])
        _, _, statistics, centroids = cv2.connectedComponentsWithStats(binary)
        # the mask begins 100 pixels before the image
        cells = [
            (float(x) - 100, float(y) - 100)
            for (x, y), row in zip(centroids[1:], statistics[1:], strict=True)
            if row[cv2.CC_STAT_AREA] >= SMALLEST * width * height
        ]
        result = {"cells": cells, "seconds": time.perf_counter() - began}
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
