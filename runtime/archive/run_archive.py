"""``alledge archive SOURCE``: classifies what is not in the results yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import compute

from ...errors import AlledgeError, BackendError
from ..backends import choose_backend
from ..bundle.bundle import Bundle
from ..bundle.finding import builtin_notice, open_bundle
from ..classifier import Classifier
from ..ensemble import Identity as Answerer
from ..terminal import printable
from ..watchdog import StepTimeoutError, Watchdog
from .embedded import classify_entries
from .options import FLUSH_S, ArchiveOptions
from .results.driver_lock import Lease, LeaseLostError, driver_lock
from .results.identity import Identity
from .results.result_set import PartWriter, ResultSet, read_done
from .results.schema import ERROR
from .sources.sources import ArchiveSource

if TYPE_CHECKING:
    from ..sites.profile import SiteProfile

LOAD_LIMIT_S = 1800.0  # as of `classify`
NOTICE_S = 10.0

Notice = Callable[[str], object]


@dataclass(frozen=True)
class Model:
    """What answers, before it is loaded.

    Parameters
    ----------
    bundles : tuple of Bundle
    backend : str
        A key of `BACKENDS`.
    profile : SiteProfile or None
    identity : Identity
    """

    bundles: tuple[Bundle, ...]
    backend: str
    profile: SiteProfile | None
    identity: Identity

    def load(self, threads: int | None, timeout_s: float) -> Classifier:
        """Load it for throughput, with measurements.

        Raises
        ------
        BackendError
            If it cannot be loaded within half an hour, and as `Classifier.load`.
        """
        first, *others = self.bundles
        try:
            return Watchdog(LOAD_LIMIT_S).run(
                lambda: Classifier.load(
                    first, self.backend, threads, "throughput", timeout_s,
                    site=self.profile, measurements=True, others=others,
                )
            )  # fmt: skip
        except StepTimeoutError:
            raise BackendError(
                f"the bundle cannot be loaded within {LOAD_LIMIT_S:g} s",
                fix="`alledge verify BUNDLE` shows which backends work on this machine",
            ) from None


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
    results.check_new_or_own()
    source = ArchiveSource(options.sources)
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


def open_model(options: ArchiveOptions) -> Model:
    """Open the bundles and the site profile, and choose the backend.

    Raises
    ------
    UsageError, BundleError, SiteError
        As ``classify``.
    """
    from ..sites.profile import site_in_use

    first = open_bundle(options.bundles[0] if options.bundles else None)
    bundles = (first, *map(open_bundle, options.bundles[1:]))
    profile, backend = site_in_use(options.site, options.home), options.backend
    if profile is not None:
        backend = profile.check_use(first, backend)
    backend = choose_backend(list(first.formats), backend)
    answerer = Answerer.of_bundles(bundles)
    identity = Identity(
        bundle=answerer.name,
        digest=answerer.digest,
        backend=backend,
        site_profile=None if profile is None else profile.label,
        site_digest=None if profile is None else profile.digest,
        taken_as=options.taken_as,
    )
    return Model(bundles, backend, profile, identity)


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
