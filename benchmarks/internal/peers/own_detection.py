"""Finds cells with alledge, in the form of the other scripts of this folder."""

from __future__ import annotations

import json
import sys
import time

from ....runtime.cells.field_cells import find_cells
from ....runtime.cells.settings import CellSettings

if __name__ == "__main__":
    for line in sys.stdin:
        began = time.perf_counter()
        field = find_cells(line.rstrip("\n"), CellSettings())
        cells = [(cell.x, cell.y) for cell in field.cells]
        row = {"cells": cells, "seconds": time.perf_counter() - began}
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()
