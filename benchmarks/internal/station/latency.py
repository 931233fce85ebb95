"""Seconds from the renaming of a finished file to its result, with events and without.

``python -m alledge.benchmarks.internal.station.latency BUNDLE --files 30``. Most of the time is
the ``--settle`` of `watch`: its defaults are used.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import click

from .processes import ALLEDGE, picture

MISSING = "raise ImportError('hidden for this measurement')\n"


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@click.option("--files", type=click.IntRange(1), default=30, show_default=True)
@click.option("--settle", default=2.0, show_default=True)
@click.option("--interval", default=1.0, show_default=True)
def main(bundle: Path, files: int, settle: float, interval: float) -> None:
    """Print one JSON line with events of the operating system, and one without."""
    for has_events in (True, False):
        with tempfile.TemporaryDirectory(prefix="alledge-latency-") as folder:
            options = ["--settle", f"{settle}", "--interval", f"{interval}"]
            seconds = measure(Path(folder), bundle, files, interval, has_events, options)
        row = {
            "events": has_events, "files": files, "settle_s": settle, "interval_s": interval,
            "median_s": round(statistics.median(seconds), 3),
            "least_s": round(min(seconds), 3), "most_s": round(max(seconds), 3),
        }  # fmt: skip
        click.echo(json.dumps(row))


def measure(
    folder: Path, bundle: Path, files: int, interval_s: float, has_events: bool, options: list[str]
) -> list[float]:
    """Return the seconds of each file, which comes at a random moment of a turn."""
    camera, home, hidden = (folder / name for name in ("camera", "home", "hidden"))
    for path in (camera, home, hidden):
        path.mkdir()
    environment = dict(os.environ)
    if not has_events:
        (hidden / "watchfiles.py").write_text(MISSING, encoding="utf-8")
        before = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(hidden), before)))
    words = [*ALLEDGE, "watch", str(camera), "--home", str(home), "--bundle", str(bundle)]
    process = subprocess.Popen(
        [*words, "--json", *options],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8", env=environment,
    )  # fmt: skip
    moments, seconds = random.Random(0), []
    try:
        for number in range(files + 1):
            time.sleep(moments.random() * interval_s)
            (camera / ".new.png").write_bytes(picture(number))
            renamed_s = time.monotonic()
            (camera / ".new.png").rename(camera / f"{number}.png")
            assert process.stdout is not None
            if not process.stdout.readline():
                raise click.ClickException("alledge watch ended")
            seconds.append(time.monotonic() - renamed_s)
    finally:
        process.kill()
        process.communicate()
    return seconds[1:]  # the first one has the start of the process


if __name__ == "__main__":
    main()
