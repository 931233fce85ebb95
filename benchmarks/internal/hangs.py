"""Starts ``alledge classify`` many times and counts hangs, failures and wrong answers.

``python -m alledge.benchmarks.internal.hangs BUNDLE [--starts 1000]``. Each start classifies four
generated images on two threads. A start hangs if it exceeds the time limit; it is aborted and the
stacks of its threads are printed. A start fails if it ends with an exit code other than 0, or
without an answer for each image. An answer is wrong if it differs from that of the same engine in
this process on one thread.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np
from PIL import Image

from ...runtime.backends import installed_backends
from ...runtime.bundle.bundle import Bundle
from ...runtime.classifier import Classifier
from .cold_start import classify_command

IMAGES, SIDE_PX = 4, 256
THREADS = 2
ABORT_S = 10.0  # the time that an aborted process gets to print its stacks
TOLERANCE = 1e-3  # of a score; the number of threads changes the order of additions

Outcome = Literal["ok", "hang", "failure", "wrong answer"]


@dataclass(frozen=True)
class Start:
    """One start of ``alledge classify``.

    Parameters
    ----------
    outcome : {"ok", "hang", "failure", "wrong answer"}
    detail : str
        Stacks of a process that hung, output of one that failed, the wrong answer.
    """

    outcome: Outcome
    detail: str = ""


def write_noise_images(folder: Path) -> list[str]:
    """Write small PNG files of noise, and return their paths."""
    paths = [folder / f"{number}.png" for number in range(IMAGES)]
    for number, path in enumerate(paths):
        rng = np.random.default_rng(number)
        pixels = rng.integers(0, 256, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return [str(path) for path in paths]


def expected_scores(bundle: Path, backend: str, images: Sequence[str]) -> list[dict[str, float]]:
    """Return the scores of each image, computed in this process on one thread."""
    with Classifier.load(bundle, backend, 1) as classifier:
        results = [classifier.classify(image) for image in images]
    if errors := [result.error for result in results if result.scores is None]:
        raise click.ClickException(f"{backend} gives no answer to compare with: {errors[0]}")
    return [dict(result.scores or {}) for result in results]


def start_once(
    bundle: Path,
    backend: str,
    images: Sequence[str],
    expected: Sequence[dict[str, float]],
    timeout_s: float,
) -> Start:
    """Classify the images in a new process, and compare its answers with the expected scores."""
    process = subprocess.Popen(
        classify_command(sys.executable, bundle, backend, THREADS, *images),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "PYTHONFAULTHANDLER": "1"},  # prints the stacks when it is aborted
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return Start("hang", _abort(process) or "no stack was printed")
    if process.returncode:
        return Start("failure", f"exit code {process.returncode}: {stderr}{stdout}")
    records = [json.loads(line) for line in stdout.splitlines()]
    return _check_answers(records, images, expected)


def _abort(process: subprocess.Popen[str]) -> str:
    """End a process that hangs and return what it printed on stderr."""
    if sys.platform == "win32":
        process.kill()
    else:
        process.send_signal(signal.SIGABRT)
    try:
        return process.communicate(timeout=ABORT_S)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[1]


def _check_answers(
    records: Sequence[dict[str, Any]],
    images: Sequence[str],
    expected: Sequence[dict[str, float]],
) -> Start:
    answered = [record["image"] for record in records if record["scores"] is not None]
    if answered != list(images):
        return Start("failure", f"answers for {answered} instead of {list(images)}")
    for record, scores in zip(records, expected, strict=True):
        if any(not abs(record["scores"][label] - scores[label]) <= TOLERANCE for label in scores):
            return Start("wrong answer", f"{record} instead of {scores}")
    return Start("ok")


def run_starts(
    bundle: Path, backend: str, starts: int, timeout_s: float, at_once: int = 1
) -> Iterator[Start]:
    """Yield every start, as soon as it has ended.

    Parameters
    ----------
    bundle : Path
    backend : str
    starts : int
    timeout_s : float
    at_once : int
        Number of processes that run at the same time.
    """
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(at_once) as pool:
        images = write_noise_images(Path(folder))
        expected = expected_scores(bundle, backend, images)
        yield from pool.map(
            lambda _: start_once(bundle, backend, images, expected, timeout_s), range(starts)
        )


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--starts", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--backend", multiple=True, help="Use only this backend; may be repeated.")
@click.option("--timeout", "timeout_s", type=float, default=60.0, show_default=True)
@click.option("--at-once", type=click.IntRange(min=1), default=1, show_default=True)
def main(
    bundle: Path, starts: int, backend: tuple[str, ...], timeout_s: float, at_once: int
) -> None:
    """Print one JSON line for each engine. The exit code is 1 unless all starts are correct."""
    correct = True
    formats = Bundle.open(bundle).formats
    for name in backend or [name for name in installed_backends() if name in formats]:
        counts: Counter[Outcome] = Counter()
        for start in run_starts(bundle, name, starts, timeout_s, at_once):
            counts[start.outcome] += 1
            if start.outcome != "ok":
                click.echo(f"{name}, {start.outcome}: {start.detail}", err=True)
        row = {
            "backend": name,
            "starts": starts,
            "hangs": counts["hang"],
            "failures": counts["failure"],
            "wrong_answers": counts["wrong answer"],
        }
        click.echo(json.dumps(row))
        correct = correct and counts["ok"] == starts
    if not correct:
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    main()
