"""Finds nuclei by Otsu's threshold and the watershed of scikit-image; needs only scikit-image.

The textbook way, as in the gallery of scikit-image: no size of a cell is known, and no setting was
tuned. Reads the path of an image a line from stdin, and writes a JSON object a line to stdout.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from scipy import ndimage
from skimage import color, feature, filters, io, measure, morphology, segmentation

SMALLEST = 1e-4  # share of the field; smaller regions are removed, as debris
SEED_DISTANCE = 0.01  # of the longer side, between two seeds


def centres(path: str) -> list[tuple[float, float]]:
    """Return the centres (x, y) of the nuclei of an image, in pixels."""
    rgb = io.imread(path)[..., :3]
    haematoxylin = filters.gaussian(color.rgb2hed(rgb)[..., 0], sigma=2)
    mask = haematoxylin > filters.threshold_otsu(haematoxylin)
    mask = ndimage.binary_fill_holes(mask)
    mask = morphology.remove_small_objects(mask, max_size=int(SMALLEST * mask.size))
    distance = ndimage.distance_transform_edt(mask)
    seeds = feature.peak_local_max(
        filters.gaussian(distance, sigma=2),
        min_distance=max(1, int(SEED_DISTANCE * max(mask.shape))),
        labels=measure.label(mask),
    )
    markers = np.zeros(mask.shape, dtype=np.int32)
    markers[tuple(seeds.T)] = np.arange(1, len(seeds) + 1)
    regions = measure.regionprops(segmentation.watershed(-distance, markers, mask=mask))
    return [(float(region.centroid[1]), float(region.centroid[0])) for region in regions]


if __name__ == "__main__":
    for line in sys.stdin:
        began = time.perf_counter()
        cells = centres(line.rstrip("\n"))
        row = {"cells": cells, "seconds": time.perf_counter() - began}
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()
