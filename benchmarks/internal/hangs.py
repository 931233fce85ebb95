"""Counts the starts of ``alledge classify`` that hang, for each engine.

``python -m alledge.benchmarks.internal.hangs BUNDLE [--starts 1000]``. Each start classifies four
generated images on two threads. A start that takes longer than the time-out counts as a hang: it is
aborted, and the stack of each of its threads is printed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import numpy as np
from PIL import Image

from ...runtime.backends import installed_backends
from ...runtime.bundle.bundle import Bundle

IMAGES, SIDE = 4, 256
ABORT_S = 10.0  # a process that got the signal has printed its stacks by then


def draw_images(folder: Path) -> list[Path]:
    """Write small PNG files of noise, and return their paths."""
    paths = [folder / f"{number}.png" for number in range(IMAGES)]
    for number, path in enumerate(paths):
        rng = np.random.default_rng(number)
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)).save(path)
    return paths


def start_once(bundle: Path, backend: str, images: list[Path], timeout_s: float) -> str | None:
    """Classify the images in a new process.

    Returns
    -------
    str or None
        None if the process ended in time; otherwise the stacks of its threads.

    Raises
    ------
    click.ClickException
        If the process ended in time, but not with one answer for each image.
    """
    command = [sys.executable, "-X", "faulthandler", "-m", "alledge", "classify"]
    command += [*map(str, images), "--bundle", str(bundle), "--backend", backend, "--threads", "2"]
    process = subprocess.Popen(
        [*command, "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, "PYTHONFAULTHANDLER": "1"},
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        if sys.platform == "win32":
            process.kill()
        else:
            process.send_signal(signal.SIGABRT)  # faulthandler prints the stacks
        try:
            _, stderr = process.communicate(timeout=ABORT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            _, stderr = process.communicate()
        return stderr or "no stack was printed"
    records = [json.loads(line) for line in stdout.splitlines()]
    if process.returncode or len(records) != len(images) or any(r["error"] for r in records):
        raise click.ClickException(f"exit code {process.returncode}: {stderr or stdout}")
    return None


def count_hangs(
    bundle: Path, backend: str, starts: int, timeout_s: float, at_once: int = 1
) -> list[str]:
    """Return the stacks of each start that hung.

    Parameters
    ----------
    bundle : Path
    backend : str
    starts : int
    timeout_s : float
    at_once : int
        Processes that run at the same time.
    """
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(at_once) as pool:
        images = draw_images(Path(folder))
        stacks = pool.map(lambda _: start_once(bundle, backend, images, timeout_s), range(starts))
        return [stack for stack in stacks if stack is not None]


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--starts", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--backend", multiple=True, help="Only this one; may be given again.")
@click.option("--timeout", "timeout_s", type=float, default=60.0, show_default=True)
@click.option("--at-once", type=click.IntRange(min=1), default=1, show_default=True)
def main(
    bundle: Path, starts: int, backend: tuple[str, ...], timeout_s: float, at_once: int
) -> None:
    """Print one JSON line an engine; exit with 1 if a start hangs."""
    hung = 0
    formats = Bundle.open(bundle).formats
    for name in backend or [name for name in installed_backends() if name in formats]:
        stacks = count_hangs(bundle, name, starts, timeout_s, at_once)
        for stack in stacks:
            click.echo(stack, err=True)
        click.echo(json.dumps({"backend": name, "starts": starts, "hangs": len(stacks)}))
        hung += len(stacks)
    if hung:
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    main()
