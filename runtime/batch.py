"""``alledge classify``: classifies the named images and prints a record as soon as it exists."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..errors import BackendError
from .bundle.bundle import Bundle
from .classifier import Classifier, Mode
from .data.inputs import find_images
from .records import Result, TextTable, csv_header, csv_line, json_line
from .terminal import use_utf8
from .watchdog import DEFAULT_LIMIT_S, FreezeTimer, StepTimeoutError, Watchdog

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

    Returns
    -------
    int
        Number of error records.

    Raises
    ------
    BackendError
        If the bundle cannot be loaded within half an hour, and as `Classifier.load`.
    """
    if style == "csv":
        use_utf8()
    images = find_images(names, recursive=recursive)
    first_images = list(itertools.islice(images, 2))
    images = itertools.chain(first_images, images)
    chosen: Mode = "latency"
    if mode == "throughput" or (mode is None and len(first_images) > 1):
        chosen = "throughput"
    with FreezeTimer(LOAD_LIMIT_S) as timer:
        classifier = _load(bundle, backend, threads, chosen, timeout_s)
        timer.limit_s = timeout_s
        with classifier:
            if not gc.isenabled():  # `cli.run` switched it off; what is loaded now stays
                gc.freeze()
                gc.enable()
            return _print(out, classifier, classifier.classify(images, overlay), style)


def _load(
    bundle: str | Bundle | None, backend: str, threads: int | None, mode: Mode, timeout_s: float
) -> Classifier:
    try:
        return Watchdog(LOAD_LIMIT_S).run(
            lambda: Classifier.load(bundle, backend, threads, mode, timeout_s)
        )
    except StepTimeoutError:
        raise BackendError(
            f"the bundle cannot be loaded within {LOAD_LIMIT_S:g} s",
            fix="`alledge verify BUNDLE` shows which backends work on this machine",
        ) from None


def _print(out: Print, classifier: Classifier, results: Iterable[Result], style: str) -> int:
    bundle, engine = classifier.bundle, classifier.backend.engine
    started, errors = time.perf_counter(), 0
    table = TextTable(bundle.labels)
    if style == "csv":
        out(csv_header(bundle.labels))
    elif style == "text":
        out(table.header(bundle.name, bundle.digest, engine, guarded=classifier.guarded))
        out(table.legend(bundle.positive, classifier.threshold))
    for result in results:
        errors += result.status == "error"
        if style == "json":
            out(json_line(result))
        elif style == "csv":
            out(csv_line(result, bundle.labels))
        else:
            out(table.line(result))
    if style == "text":
        out(table.footer(time.perf_counter() - started))
    return errors
