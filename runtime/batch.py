"""``alledge classify``: from the arguments to the printed records, a line an image as it comes."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .bundle.bundle import Bundle
from .classifier import Classifier, Mode
from .data.inputs import find_images
from .records import Result, TextTable, csv_header, csv_line, json_line
from .watchdog import DEFAULT_LIMIT_S, end_process_when_frozen, ends_if_frozen

# Seconds that loading may take: TensorRT compiles a network for minutes.
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
    timeout_s: float | None = DEFAULT_LIMIT_S,
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
    timeout_s : float or None
        As `Classifier.load`. If the whole process stands still for longer, it ends with exit
        code 1 and prints where each thread is.

    Returns
    -------
    int
        How many images gave an error record.
    """
    found = find_images(names, recursive=recursive)
    first = list(itertools.islice(found, 2))
    images = itertools.chain(first, found)
    chosen: Mode = "throughput" if (mode or len(first) > 1) and mode != "latency" else "latency"
    end_process_when_frozen()
    with ends_if_frozen(LOAD_LIMIT_S):
        classifier = Classifier.load(bundle, backend, threads, chosen, timeout_s)
    with classifier:
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
