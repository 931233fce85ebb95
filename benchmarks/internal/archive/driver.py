"""Measures what the driver does for each field, without a classifier.

``python -m alledge.benchmarks.internal.archive.driver`` prints the fields a second that one process
lists from a manifest, looks up among the keys that are done, pickles for a worker, and writes as
rows with twelve cells each.
"""

from __future__ import annotations

import json
import pickle
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np

from ....runtime.archive.done_keys import DoneKeys
from ....runtime.archive.on_ray.cluster import blocks
from ....runtime.archive.results.parts import PartWriter, read_done
from ....runtime.archive.results.result_set import ResultSet
from ....runtime.archive.sources.sources import ArchiveSource
from .generated_results import ABOUT, IDENTITY, generated_rows


def rate_of(action: Callable[[], object], count: int) -> float:
    """Return the count a second."""
    started = time.perf_counter()
    action()
    return round(count / (time.perf_counter() - started), 1)


def measure(fields: int, place: Path) -> dict[str, float]:
    """Return the rates."""
    manifest = place / "manifest.csv"
    lines = "".join(f"/missing/{number:09d}.jpg\n" for number in range(fields))
    manifest.write_text("path\n" + lines, encoding="utf-8")
    source = ArchiveSource([str(manifest)])
    entries = list(source.entries(DoneKeys()))
    table = generated_rows(fields, np.random.default_rng(0))
    results = ResultSet(str(place / "results"))
    results.claim()
    partition = results.create(IDENTITY, ABOUT)

    def write() -> None:
        writer = PartWriter(partition, 4096)
        for first in range(0, fields, 16):  # as Ray workers return them
            writer.add(table.slice(first, 16))
        writer.flush()

    return {
        "fields": fields,
        "list_a_second": rate_of(lambda: list(source.entries(DoneKeys())), fields),
        "send_a_second": rate_of(lambda: [pickle.dumps(b) for b in blocks(entries)], fields),
        "write_a_second": rate_of(write, fields),
        "read_keys_a_second": rate_of(lambda: read_done(partition), fields),
        "part_bytes_a_field": round(
            sum(path.stat().st_size for path in place.rglob("part-*.parquet")) / fields, 1
        ),
    }


@click.command()
@click.option("--fields", type=click.IntRange(1), default=20_000, show_default=True)
def main(fields: int) -> None:
    """Print the rates as JSON."""
    with tempfile.TemporaryDirectory(prefix="alledge-driver-") as place:
        click.echo(json.dumps(measure(fields, Path(place))))


if __name__ == "__main__":
    main()
