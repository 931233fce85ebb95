"""Processes of ``alledge watch`` and ``serve``, pictures for them, and what the history says."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from ....runtime.station.history.queries import EntryQuery
from ....runtime.station.history.store import History
from ....runtime.station.history.verification import verify_history

ALLEDGE = (sys.executable, "-m", "alledge")
WAIT_S = 600.0
SETTINGS = ("--settle", "0.2", "--interval", "0.1")


@dataclass(frozen=True)
class Place:
    """The folders of one experiment.

    Parameters
    ----------
    bundle : Path
    camera : Path
        The watched folder.
    home : Path
        The folder of the workstation.
    """

    bundle: Path
    camera: Path
    home: Path

    @classmethod
    def below(cls, folder: Path, bundle: Path) -> Place:
        """Return new folders below one."""
        place = cls(bundle.absolute(), folder / "camera", folder / "home")
        place.camera.mkdir()
        place.home.mkdir()
        return place

    def command(self, *options: str, backend: str = "auto") -> list[str]:
        """Return the command line of ``alledge watch``."""
        words = ["watch", str(self.camera), "--home", str(self.home), "--bundle", str(self.bundle)]
        return [*ALLEDGE, *words, *SETTINGS, "--backend", backend, *options]

    def once(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Work off what is there."""
        return subprocess.run(
            self.command("--once", *options), capture_output=True, encoding="utf-8",
            timeout=WAIT_S, check=False,
        )  # fmt: skip

    @contextmanager
    def watching(
        self, *options: str, environment: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """Watch during the body of the ``with``; the process is killed at its end."""
        process = subprocess.Popen(
            self.command(*options), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            encoding="utf-8", env={**os.environ, **(environment or {})},
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


@dataclass(frozen=True)
class Audit:
    """What became of the pictures of an experiment.

    Parameters
    ----------
    fault : str
    files : int
        Different pictures that lie in the folder at the end.
    results : int
        In the history.
    lost : int
        Pictures without a result.
    double : int
        Results beside the first of the same picture.
    problems : list of str
        Of the chain, and of the experiment.
    notes : dict
    """

    fault: str
    files: int
    results: int
    lost: int
    double: int
    problems: list[str]
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, nothing is double and nothing is wrong."""
        return not (self.lost or self.double or self.problems)

    def row(self) -> dict[str, Any]:
        """Return the audit as a JSON object."""
        return asdict(self)


def audit(fault: str, place: Place, problems: list[str] | None = None, **notes: Any) -> Audit:
    """Compare the history with the folder."""
    there = {digest_of_file(path) for path in place.camera.rglob("*") if is_picture(path)}
    with History(place.home, must_exist=True) as history:
        found = list(verify_history(history)["problems"])
        contents = [
            entry.content
            for entry in history.entries(EntryQuery(unread=False, limit=None))
            if entry.content is not None
        ]
    return Audit(
        fault, len(there), len(contents), len(there - set(contents)),
        len(contents) - len(set(contents)), [*found, *(problems or [])], notes,
    )  # fmt: skip


def results(place: Place) -> int:
    """Return the number of results in the history."""
    if not (place.home / "history.sqlite3").exists():
        return 0
    with History(place.home) as history:
        return history.counts()["result"]


def is_picture(path: Path) -> bool:
    """Return whether a file is a picture that is watched."""
    return path.suffix in (".png", ".jpg") and not path.name.startswith(".")


def digest_of_file(path: Path) -> str:
    """Return the digest of a file as the history has it."""
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def picture(seed: int, size: tuple[int, int] = (160, 120), form: str = "PNG") -> bytes:
    """Return the content of an image file that depends on the seed."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    stream = io.BytesIO()
    small.resize(size, Image.Resampling.BICUBIC).save(stream, form)
    return stream.getvalue()


def write_pictures(folder: Path, count: int, first: int = 0) -> None:
    """Write pictures with different contents."""
    for seed in range(first, first + count):
        (folder / f"{seed:06d}.png").write_bytes(picture(seed))


def wait_until(condition: Callable[[], object], seconds: float = WAIT_S) -> None:
    """Wait until something is true.

    Raises
    ------
    click.ClickException
        If it is not, after some minutes.
    """
    end_s = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end_s:
            raise click.ClickException(f"it did not happen within {seconds:g} s")
        time.sleep(0.05)


def wait_for_results(place: Place, count: int, seconds: float = WAIT_S) -> None:
    """Wait until the history has so many results."""
    wait_until(lambda: results(place) >= count, seconds)


@contextmanager
def serving(
    place: Place, *options: str, folders: tuple[str, ...] = ()
) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """Serve during the body of the ``with``.

    Yields
    ------
    process : subprocess.Popen
    host : str
    port : int
    """
    command = [
        *ALLEDGE, "serve", *folders, "--home", str(place.home), "--bundle", str(place.bundle),
        "--port", "0", *SETTINGS, *options,
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8"
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline()
        if not address:
            raise click.ClickException("the server did not start")
        host, _, port = address.removeprefix("http://").strip("/\n").rpartition(":")
        yield process, host, int(port)
    finally:
        process.kill()
        process.communicate()
