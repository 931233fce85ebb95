"""Faults of ``alledge watch`` on real processes: what is lost, and what is done twice.

``python -m alledge.benchmarks.internal.station.faults BUNDLE [--fault NAME]... [--scale 1]``. With
``--scale 1`` the numbers are those of docs/station.md; less is quicker.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from .processes import (
    Audit,
    Place,
    audit,
    picture,
    results,
    wait_for_results,
    wait_until,
    write_pictures,
)

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
KILLS, KILLED_FILES = 50, 1000
BURST = 5000
GROWS_S, STORM_S = 20.0, 20.0
SMALL_DISK, LARGE_DISK = "1500k", "200m"
LOCKED_S = 20.0


class Skipped(Exception):
    """A fault cannot be made here; the message says why."""


def killed(place: Place, scale: float) -> Audit:
    """Kill the process at random moments while it works off many files."""
    kills, files = max(2, round(KILLS * scale)), max(20, round(KILLED_FILES * scale))
    rng = random.Random(7)
    write_pictures(place.camera, files)
    done = 0
    while done < kills and results(place) < files:
        wanted = min(results(place) + rng.randrange(1, 2 + files // kills), files)
        with place.watching():
            wait_for_results(place, wanted)
            time.sleep(rng.random() / 50)
        done += 1
    last = place.once()
    return audit("killed", place, errors_of(last), kills=done)


def full_disk(place: Place, scale: float) -> Audit:
    """Fill the disk of the history, and give it space again."""
    mounted = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "alledge", str(place.home)]
    if shutil.which("mount") is None or subprocess.run(mounted, check=False).returncode:
        raise Skipped("a tmpfs cannot be mounted here")
    try:
        write_pictures(place.camera, max(100, round(300 * scale)))
        first = place.once()
        problems = [] if first.returncode == 1 else [f"exit code {first.returncode}"]
        if "full" not in first.stderr or "Traceback" in first.stderr:
            problems.append(f"its error is: {first.stderr[-200:]}")
        before = results(place)
        more = ["mount", "-o", f"remount,size={LARGE_DISK}", str(place.home)]
        subprocess.run(more, check=True)
        problems += errors_of(place.once())
        return audit("full_disk", place, problems, before=before)
    finally:
        subprocess.run(["umount", str(place.home)], check=False)


def growing(place: Place, scale: float) -> Audit:
    """Write a file in parts for some seconds, while others come."""
    seconds = GROWS_S * scale
    whole = picture(1, (1200, 900))
    with place.watching():
        parts, file = 40, place.camera / "grows.png"
        for part in range(1, parts + 1):
            with file.open("ab") as stream:
                stream.write(whole[len(whole) * (part - 1) // parts : len(whole) * part // parts])
            write_pictures(place.camera, 1, first=100 + part)
            time.sleep(seconds / parts)
        wait_for_results(place, parts + 1)
    return audit("growing", place, seconds=seconds)


def rename_storm(place: Place, scale: float) -> Audit:
    """Rename files without a pause: from hidden names, between names, over each other."""
    rng = random.Random(3)
    with place.watching():
        end_s, seed = time.monotonic() + STORM_S * scale, 0
        while time.monotonic() < end_s:
            seed += 1
            hidden = place.camera / f".{seed}.part"
            hidden.write_bytes(picture(seed))
            hidden.rename(place.camera / f"{rng.randrange(40)}.png")  # often over another one
            names = list(place.camera.glob("*.png"))
            for old in rng.sample(names, min(3, len(names))):
                old.rename(place.camera / f"{rng.randrange(40)} again.png")
        settled = {path.name for path in place.camera.glob("*.png")}
        time.sleep(1.0)
    done = place.once()
    return audit("rename_storm", place, errors_of(done), written=seed, names=len(settled))


def clock_set_back(place: Place, scale: float) -> Audit:
    """Set the clock of the process, and the times of files, back and forward."""
    if not FAKETIME.exists():
        raise Skipped("libfaketime is not installed (Debian: apt-get install faketime)")
    clock = place.home.parent / "clock"
    clock.write_text("+0", encoding="ascii")
    environment = {
        "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    with place.watching(environment=environment):
        count = 0
        for offset in ("+0", "-3600", "+86400", "-86400", "+0"):
            clock.write_text(offset, encoding="ascii")
            write_pictures(place.camera, 5, first=count)
            for path in place.camera.glob("*.png"):
                if int(path.stem) >= count:
                    moment = time.time() + float(offset)
                    os.utime(path, (moment, moment))
            count += 5
            wait_for_results(place, count)
    done = place.once()
    return audit("clock_set_back", place, errors_of(done))


def two_watchers(place: Place, scale: float) -> Audit:
    """Watch one folder with two processes, and kill the first."""
    files = max(20, round(200 * scale))
    with place.watching() as first, place.watching():
        write_pictures(place.camera, files)
        wait_for_results(place, files // 2)
        first.kill()
        write_pictures(place.camera, files, first=files)
        wait_for_results(place, 2 * files)
    return audit("two_watchers", place, errors_of(place.once()))


def locked(place: Place, scale: float) -> Audit:
    """Hold the lock of the database while results come."""
    files = max(10, round(100 * scale))
    write_pictures(place.camera, 3)
    problems = errors_of(place.once())
    other = sqlite3.connect(place.home / "history.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        write_pictures(place.camera, files, first=3)
        timer = threading.Timer(max(2.0, LOCKED_S * scale), lambda: None)
        timer.start()
        done = place.once()
        timer.join()
    finally:
        other.execute("ROLLBACK")
        other.close()
    if "Traceback" in done.stderr:
        problems.append("it ended with a traceback")
    problems += errors_of(place.once())
    return audit("locked", place, problems, code=done.returncode, error=done.stderr[-300:])


def corrupted(place: Place, scale: float) -> Audit:
    """Overwrite a part of the database, and begin a new history after the error."""
    write_pictures(place.camera, max(20, round(200 * scale)))
    problems = errors_of(place.once())
    file = place.home / "history.sqlite3"
    with file.open("r+b") as stream:
        stream.seek(4096)
        stream.write(os.urandom(min(8, file.stat().st_size // 4096 - 1) * 4096))
    write_pictures(place.camera, 3, first=100_000)
    done = place.once()
    if done.returncode != 1 or "damaged" not in done.stderr or "Traceback" in done.stderr:
        problems.append(f"exit code {done.returncode}: {done.stderr[-200:]}")
    for old in place.home.glob("history.sqlite3*"):  # what the error says
        old.unlink()
    problems += errors_of(place.once())
    return audit("corrupted", place, problems)


def burst(place: Place, scale: float) -> Audit:
    """Let thousands of files come at once."""
    files = max(50, round(BURST * scale))
    staging = place.home.parent / "staging"
    staging.mkdir()
    write_pictures(staging, files)
    with place.watching():
        wait_until(lambda: (place.home / "history.sqlite3").exists())
        started = time.monotonic()
        for path in staging.iterdir():
            path.rename(place.camera / path.name)
        wait_for_results(place, files, 3600)
        seconds = time.monotonic() - started
    return audit("burst", place, seconds=round(seconds, 1))


FAULTS: dict[str, Callable[[Place, float], Audit]] = {
    "killed": killed, "full_disk": full_disk, "growing": growing, "rename_storm": rename_storm,
    "clock_set_back": clock_set_back, "two_watchers": two_watchers, "locked": locked,
    "corrupted": corrupted, "burst": burst,
}  # fmt: skip


def errors_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what a run says that should have succeeded."""
    return [] if done.returncode == 0 else [f"exit code {done.returncode}: {done.stderr[-300:]}"]


def run_fault(name: str, bundle: Path, scale: float) -> Audit:
    """Make a fault in new folders, and return what became of the pictures.

    Raises
    ------
    Skipped
        If it cannot be made here.
    """
    with tempfile.TemporaryDirectory(prefix="alledge-fault-") as folder:
        found = FAULTS[name](Place.below(Path(folder), bundle), scale)
        return replace(found, notes={"scale": scale, **found.notes})


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@click.option("--fault", "names", multiple=True, type=click.Choice(list(FAULTS)))
@click.option("--scale", type=click.FloatRange(0.001, 10), default=1.0, show_default=True)
def main(bundle: Path, names: tuple[str, ...], scale: float) -> None:
    """Print one JSON line for each fault. The exit code is 1 unless all are survived."""
    is_good = True
    for name in names or FAULTS:
        try:
            found = run_fault(name, bundle, scale)
        except Skipped as reason:
            click.echo(json.dumps({"fault": name, "skipped": str(reason)}))
            continue
        click.echo(json.dumps(found.row()))
        is_good = is_good and found.is_good
    if not is_good:
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    main()
