"""Interrupts ``alledge`` at random times after its start, and counts how it ends.

``python -m alledge.benchmarks.internal.interrupt_times -- classify FOLDER --bundle B --json``. A
start ends rightly with the exit code of its signal, one line on standard error and whole lines on
standard output, or with its own answer if it was finished before. Python needs about 20 ms to
start; what an interrupt does in that time is counted apart.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import click

PYTHON_START_S = 0.05  # before it, Python may not have reached the first line of alledge
HANG_S = 30.0


def end_of(command: list[str], number: int, after_s: float) -> str:
    """Start a command, send it a signal, and return how it ended.

    Parameters
    ----------
    command : list of str
    number : int
        Of the signal.
    after_s : float
        Seconds from the start to the signal.

    Returns
    -------
    str
        ``"right"``, ``"finished before"``, ``"python start"``, ``"hang"``, or what was wrong.
    """
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
    time.sleep(after_s)
    process.send_signal(number)
    try:
        out, err = process.communicate(timeout=HANG_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return "hang"
    whole = not out or out.endswith("\n")
    if process.returncode == 128 + number and whole and err.count("\n") == 1:
        return "right"
    if process.returncode == 0 and whole:
        return "finished before"
    if after_s < PYTHON_START_S:
        return "python start"
    return f"exit code {process.returncode} after {after_s:.3f} s: {err.strip()[-60:]!r}"


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--starts", default=100, show_default=True)
@click.option("--latest", "latest_s", default=3.0, show_default=True, help="Seconds.")
@click.option("--signal", "name", default="SIGINT", show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.argument("words", nargs=-1, required=True)
def main(starts: int, latest_s: float, name: str, seed: int, words: tuple[str, ...]) -> None:
    """Print how often each end was seen, as JSON."""
    times, command = random.Random(seed), [sys.executable, "-m", "alledge", *words]
    number = int(signal.Signals[name])
    ends = Counter(end_of(command, number, times.uniform(0, latest_s)) for _ in range(starts))
    click.echo(json.dumps({"signal": name, "starts": starts, "ends": ends}, indent=2))


if __name__ == "__main__":
    main()
