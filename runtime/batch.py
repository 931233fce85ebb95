"""``alledge classify``: from the arguments to the printed records, a line an image as it comes."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .bundle import Bundle
from .classifier import Classifier, Mode
from .inputs import find_images
from .records import Result, TextTable, csv_header, csv_line, json_line

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
) -> int:
    """Classify what was named and print a record for each image.

    Parameters
    ----------
    out : callable
        Prints one line.
    names : sequence of str
        Files, folders, globs.
    bundle, backend, threads
        As `Classifier.load`.
    mode : {"latency", "throughput"}, optional
        Where not given: throughput if there is more than one image.
    overlay : str, optional
        As `Classifier.classify`.
    recursive : bool
    style : {"text", "json", "csv"}

    Returns
    -------
    int
        How many images gave an error record.
    """
    found = find_images(names, recursive=recursive)
    first = list(itertools.islice(found, 2))
    images = itertools.chain(first, found)
    chosen: Mode = "throughput" if (mode or len(first) > 1) and mode != "latency" else "latency"
    with Classifier.load(bundle, backend, threads, chosen) as classifier:
        if not gc.isenabled():  # the process began without: what is loaded by now stays
            gc.freeze()
            gc.enable()
        return _write(out, classifier, classifier.classify(images, overlay), style)


def _write(out: Print, classifier: Classifier, results: Iterable[Result], style: str) -> int:
    labels, started, failed = classifier.bundle.labels, time.perf_counter(), 0
    table = TextTable(labels)
    if style == "csv":
        out(csv_header(labels))
    elif style == "text":
        used, engine = classifier.bundle, classifier.backend.engine
        out(table.header(used.name, used.digest, engine, guarded=classifier.guarded))
        out(table.legend(used.positive, classifier.threshold))
    for result in results:
        failed += result.status == "error"
        if style == "json":
            out(json_line(result))
        elif style == "csv":
            out(csv_line(result, labels))
        else:
            out(table.line(result))
    if style == "text":
        out(table.footer(time.perf_counter() - started))
    return failed
