"""Measures two things in turn, so that both suffer from the same disturbances; timed processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import IO, TypeVar

import click

T = TypeVar("T")

# An installed package has compiled byte code, so the measured processes may write it.
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
}


def alternate(
    first: Callable[[], T], second: Callable[[], T], rounds: int
) -> tuple[list[T], list[T]]:
    """Measure two things in each round. The one that comes first changes from round to round.

    Returns
    -------
    (firsts, seconds) : tuple of list
        One value for each round.
    """
    measurements: tuple[list[T], list[T]] = ([], [])
    for number in range(rounds):
        for index in (0, 1) if number % 2 == 0 else (1, 0):
            measurements[index].append((first, second)[index]())
    return measurements


def run_timed(
    command: list[str],
    environment: Mapping[str, str] = ENVIRONMENT,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
) -> tuple[float, float]:
    """Run a process.

    Returns
    -------
    wall_ms : float
    peak_mib : float
        As the kernel counts it. NaN on Windows.

    Raises
    ------
    click.ClickException
        If the process fails.
    """
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=stdout, stderr=subprocess.DEVNULL, env=environment)
    if hasattr(os, "wait4"):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        peak_mib = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
    else:
        process.wait()
        peak_mib = float("nan")
    wall_ms = (time.perf_counter() - started) * 1000
    if process.returncode:
        raise click.ClickException(f"exit code {process.returncode}: {' '.join(command)}")
    return wall_ms, peak_mib
