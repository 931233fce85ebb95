"""``alledge classify``: classifies the named images and prints a record as soon as it exists."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import BackendError
from .bundle.bundle import Bundle
from .cells.types import TakenAs
from .classifier import Classifier, Mode
from .data.inputs import find_images
from .garbage import collect_from_now_on
from .records import Result, TextTable, csv_header, csv_line, json_line
from .terminal import echo, printable, use_utf8
from .watchdog import DEFAULT_LIMIT_S, FreezeTimer, StepTimeoutError, Watchdog

if TYPE_CHECKING:
    from .sites.profile import SiteProfile

# Time to load a bundle. TensorRT compiles a network for minutes.
LOAD_LIMIT_S = 1800.0

Print = Callable[[str], Any]


def classify_to(
    out: Print,
    names: Sequence[str],
    *,
    bundle: str | Bundle | None = None,
    backend: str = "auto",
    threads: int | None = None,
    mode: str | None = None,
    overlay: str | None = None,
    recursive: bool = False,
    style: str = "text",
    timeout_s: float = DEFAULT_LIMIT_S,
    notice: Print | None = None,
    force: bool = False,
    taken_as: TakenAs = "auto",
    smear: bool = False,
    cells_csv: str | None = None,
    gallery: str | None = None,
    site: SiteProfile | None = None,
    others: Sequence[str | Bundle] = (),
) -> int:
    """Classify the named images and print a record for each.

    Parameters
    ----------
    out : callable
        Prints one line.
    names : sequence of str
        Files, folders, globs.
    bundle, backend, threads
        As `Classifier.load`.
    mode : {"latency", "throughput"}, optional
        By default throughput if there is more than one image.
    overlay : str, optional
        As `Classifier.classify`.
    recursive : bool
        Read the folders inside a folder too.
    style : {"text", "json", "csv"}
    timeout_s : float
        As `Classifier.load`. If no Python code runs for longer than that, the process ends with
        exit code 1 and prints the stack of each thread.
    notice : callable, optional
        Prints one line for people: what was left out of folders.
    force : bool
        Replace overlays and other files that exist.
    taken_as : {"auto", "field", "cell"}
        As `Classifier.classify`.
    smear : bool
        Print one more record, for all fields together.
    cells_csv : str, optional
        File for a row of every cell.
    gallery : str, optional
        As `Classifier.classify`.
    site : SiteProfile, optional
        As `Classifier.load`.
    others : sequence of str or Bundle
        As `Classifier.load`.

    Returns
    -------
    int
        Number of error records, and of pictures that could not be written. Each of these is a
        line on standard error.

    Raises
    ------
    UsageError
        If an overlay or the file of the cells exists, or cannot be written, or the bundle judges
        whole fields and an option needs cells.
    BackendError
        If the bundle cannot be loaded within half an hour, and as `Classifier.load`.
    """
    if style == "csv":
        use_utf8()
    search = find_images(names, recursive=recursive)
    first_images = list(itertools.islice(search, 2))
    images = itertools.chain(first_images, search)
    chosen: Mode = "latency"
    if mode == "throughput" or (mode is None and len(first_images) > 1):
        chosen = "throughput"
    with FreezeTimer(LOAD_LIMIT_S) as timer:
        classifier = load_in_time(
            lambda: Classifier.load(
                bundle, backend, threads, chosen, timeout_s, site=site, others=others
            )
        )
        timer.limit_s = timeout_s
        with classifier:
            collect_from_now_on()
            if smear:
                classifier.check_judges_cells("a smear is counted")
            # The list of all images comes first: the names of their outputs are checked.
            is_listed = any(option is not None for option in (overlay, cells_csv, gallery))
            sources = list(images) if is_listed else images
            table = None
            if cells_csv is not None:
                from .cells.cell_table import CellTable

                classifier.check_judges_cells("the file of cells is written")
                table = CellTable(
                    cells_csv,
                    [*map(str, sources), classifier.bundle.path],
                    picture_folders=(overlay, gallery),
                    force=force,
                )
            results = classifier.classify(
                sources, overlay, force=force, taken_as=taken_as, gallery=gallery
            )
            if table is not None:
                results = table.read(results)
            if smear:
                results = _with_smear(classifier, results)
            errors = _print(out, classifier, results, style)
            if table is not None:
                table.write()
    if notice is not None and search.left_out.counts:
        notice(printable(str(search.left_out)))
    return errors


def _with_smear(classifier: Classifier, results: Iterable[Result]) -> Iterator[Result]:
    """Yield the results, and then the one of all fields together."""
    from .cells.smear import distinct_fields

    fields: list[Result] = []
    for result in results:
        fields.append(result)
        yield result
    distinct = distinct_fields(fields)
    if again := len(fields) - len(distinct):
        what = "field is" if again == 1 else "fields are"
        echo(f"{again} {what} the same as others: the smear counts each once", err=True)
    yield classifier.pool(distinct)


def load_in_time(load: Callable[[], Classifier]) -> Classifier:
    """Return what a function loads.

    Raises
    ------
    BackendError
        If that takes more than half an hour.
    """
    try:
        return Watchdog(LOAD_LIMIT_S).run(load)
    except StepTimeoutError:
        raise BackendError(
            f"the bundle cannot be loaded within {LOAD_LIMIT_S:g} s",
            fix="`alledge verify BUNDLE` shows which backends work on this machine",
        ) from None


def _print(out: Print, classifier: Classifier, results: Iterable[Result], style: str) -> int:
    bundle, engine = classifier.bundle, classifier.backend.engine
    started, errors = time.perf_counter(), 0
    table = TextTable(bundle.labels)
    site = None if classifier.site is None else classifier.site.label
    if style == "csv":
        out(csv_header(bundle.labels, bundle.task, site))
    elif style == "text":
        guarded = classifier.guarded
        name, digest, _ = classifier.identity
        out(table.header(name, digest, engine, guarded=guarded, site=site))
        out(table.legend(bundle.positive, classifier.threshold, bundle.task))
    for result in results:
        errors += result.status == "error"
        for name, error in (("overlay", result.overlay_error), ("gallery", result.gallery_error)):
            if error is not None:
                errors += 1
                image = printable(result.image or "(pixels)")
                echo(f"{image}: no {name}: {printable(error)}", err=True)
        if style == "json":
            out(json_line(result))
        elif style == "csv":
            out(csv_line(result, bundle.labels))
        else:
            out(table.line(result))
    if style == "text":
        out(table.footer(time.perf_counter() - started))
    return errors
