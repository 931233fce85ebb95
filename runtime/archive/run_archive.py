"""``alledge archive SOURCE``: classifies what is not in the results yet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import compute

from ...errors import AlledgeError
from ..bundle.finding import builtin_notice
from ..terminal import printable
from .embedded import classify_entries
from .model import Notice, open_model
from .options import FLUSH_S, ArchiveOptions
from .results.driver_lock import Lease, LeaseLostError, driver_lock
from .results.result_set import PartWriter, ResultSet, read_done
from .results.schema import ERROR
from .sources.sources import ArchiveSource

NOTICE_S = 10.0


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Parameters
    ----------
    written : int
        Rows of this run.
    errors : int
        Of them, fields that could not be read.
    skipped : int
        Fields whose rows were there already.
    seconds : float
    """

    written: int
    errors: int
    skipped: int
    seconds: float

    def text(self) -> str:
        """Return the summary line."""
        rate = self.written / self.seconds if self.seconds > 0 else 0.0
        return (
            f"{self.written} fields written, {self.errors} of them errors; {self.skipped} were "
            f"there already · {self.seconds:.1f} s · {rate:.1f} a second"
        )


def run_archive(options: ArchiveOptions, notice: Notice) -> Summary:
    """Classify the fields of an archive that are not in the results.

    Parameters
    ----------
    options : ArchiveOptions
    notice : callable
        Prints one line for people.

    Returns
    -------
    Summary

    Raises
    ------
    UsageError
        If a source, the results, the bundle or another option cannot be used.
    DataError
        If a manifest or a part cannot be read.
    StoreError
        If an object store refuses, or does not answer.
    AlledgeError
        If another process writes to the results, a share went away, or the disk is full. The rows
        written so far stay.
    """
    model = open_model(options)
    if not options.bundles and (line := builtin_notice(model.bundles[0])):
        notice(line)
    results = ResultSet(options.out)
    source = ArchiveSource(options.sources)
    results.claim()
    bundle = model.bundles[0]
    about = {
        "labels": list(bundle.labels),
        "positive": list(bundle.positive),
        "task": bundle.task,
    }
    with driver_lock(results.place) as lease:
        partition = results.create(model.identity, about)
        done = read_done(partition, retry_errors=options.retry_errors)
        notice(f"{printable(partition.name)}: {len(done)} fields are there already")
        entries = source.entries(done)
        writer = PartWriter(partition, options.part_rows)
        with ExitStack() as stack:
            if options.ray is None:
                classifier = stack.enter_context(model.load(options.threads, options.timeout_s))
                tables = classify_entries(
                    classifier, entries, model.identity, taken_as=options.taken_as
                )
            else:
                from .on_ray.cluster import classify_on_ray

                tables = classify_on_ray(options, model, entries, source.local_folders, notice)
            summary = _write(tables, writer, source, lease, notice)
    if source.left_out.counts:
        notice(printable(str(source.left_out)))
    return summary


def _write(
    tables: Iterator[pa.Table],
    writer: PartWriter,
    source: ArchiveSource,
    lease: Lease | None,
    notice: Notice,
) -> Summary:
    """Write tables as parts until they end; what is classified is written, whatever ends it."""
    started = flushed = noticed = time.monotonic()
    errors = 0
    try:
        for table in tables:
            if lease is not None:
                lease.check()
            if wrong := compute.sum(compute.equal(table["status"], ERROR)).as_py():
                source.check()  # a share that went away makes an error of every field
                errors += wrong
            writer.add(table)
            now = time.monotonic()
            if now - flushed > FLUSH_S or not writer.waiting:
                writer.flush()
                flushed = now
            if now - noticed > NOTICE_S:
                rows = writer.rows + writer.waiting
                notice(f"{rows} fields, {rows / (now - started):.1f} a second")
                noticed = now
    except BaseException as error:
        _write_rest(writer, error)
        raise
    writer.flush()
    return Summary(writer.rows, errors, source.skipped, time.monotonic() - started)


def _write_rest(writer: PartWriter, error: BaseException) -> None:
    """Write what is classified before an error ends the command, unless nothing can be written."""
    if isinstance(error, LeaseLostError):
        return
    with suppress(AlledgeError):
        writer.flush()
