"""Archives of small fields for tests, and their results."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from click.testing import CliRunner, Result
from PIL import Image
from pyarrow import dataset

from alledge.cli import main

MARCH_2024_S = 1709600000


def write_fields(folder: Path, count: int, *, first: int = 0, red: bool = False) -> list[Path]:
    """Write small pictures; the tiny network calls those with a red corner a blast."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(first, first + count):
        pixels = np.random.default_rng(number).integers(60, 200, (6, 8, 3), dtype=np.uint8)
        if red:
            pixels[:3, :3] = (255, 0, 0)
        path = folder / f"field-{number:04d}.png"
        Image.fromarray(pixels).resize((96, 72), Image.Resampling.BICUBIC).save(path)
        os.utime(path, (MARCH_2024_S, MARCH_2024_S))
        paths.append(path)
    return paths


def archive(*words: str | Path) -> Result:
    """Run ``alledge archive`` in this process."""
    return CliRunner().invoke(main, ["archive", *map(str, words)])


def rows(results: Path | str) -> list[dict[str, Any]]:
    """Return the rows of all partitions, by path."""
    table: pa.Table = dataset.dataset(results, partitioning="hive").to_table()
    return sorted(table.to_pylist(), key=lambda row: row["path"])
