"""``alledge watch``: loads the bundle, opens the history, and prints each new result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ....errors import UsageError
from ...classifier import Classifier
from ...sites.profile import SiteProfile, site_in_use
from ...terminal import echo, printable
from ...watchdog import FreezeTimer
from ..history.documents import entry_document, entry_line
from ..history.store import History
from ..home import station_home
from ..recording import Recorder
from .watcher import Watcher

notice = partial(echo, err=True)


def watch_folders(
    folders: Sequence[str],
    *,
    home: str | None,
    bundle: str | None,
    backend: str,
    threads: int | None,
    site: str | None,
    timeout_s: float,
    settle_s: float,
    interval_s: float,
    recursive: bool,
    once: bool,
    as_json: bool,
) -> int:
    """Watch folders and print each new result; return the number of failures.

    Parameters
    ----------
    folders : sequence of str
    home, bundle, backend, threads, site, timeout_s
        As the options of ``alledge watch``.
    settle_s, interval_s, recursive, once
        As `Watcher`.
    as_json : bool
        Print documents of the history, one a line.

    Returns
    -------
    int
        With `once`: pictures that could not be read, and folders that were not watched.

    Raises
    ------
    UsageError
        If a folder is no folder, or as `station_home` and `Classifier.load`.
    HistoryError
        As `History`.
    """
    place = station_home(home)
    check_folders(folders, place)
    with (
        History(place) as history,
        FreezeTimer(timeout_s) as timer,
        load_classifier(
            timer, bundle, backend, threads, timeout_s, site_in_use(site, place)
        ) as classifier,
    ):

        def announce(number: int, path: str) -> None:
            entry = history.entry(number)
            if entry is not None:
                echo(json.dumps(entry_document(entry)) if as_json else entry_line(entry))

        watcher = Watcher(
            folders, classifier, Recorder(classifier), history, place, settle_s=settle_s,
            interval_s=interval_s, recursive=recursive, announce=announce,
            notice=lambda text: notice(printable(text)),
        )  # fmt: skip
        if not once:
            names = ", ".join(map(printable, folders))
            notice(f"watching {names} with {printable(classifier.bundle.name)}; Ctrl-C ends it")
        watcher.run(once=once)
        counts = watcher.counts
        notice(
            f"{counts['new']} new, {counts['known']} known already, "
            f"{counts['unreadable']} unreadable, {counts['foreign']} no pictures; "
            "research software, not a medical device"
        )
        return counts["unreadable"] + len(watcher.problems)


def load_classifier(
    timer: FreezeTimer,
    bundle: str | None,
    backend: str,
    threads: int | None,
    timeout_s: float,
    site: SiteProfile | None,
) -> Classifier:
    """Load a bundle for a workstation: throughput mode, with previews.

    Parameters
    ----------
    timer : FreezeTimer
        Gets more time while an engine loads.
    bundle, backend, threads, timeout_s, site
        As `Classifier.load`.
    """
    from ...batch import LOAD_LIMIT_S

    timer.limit_s = LOAD_LIMIT_S
    try:
        return Classifier.load(
            bundle, backend, threads, "throughput", timeout_s, site=site, previews=True
        )
    finally:
        timer.limit_s = timeout_s


def check_folders(folders: Sequence[str], home: Path) -> None:
    """Check that folders can be watched.

    Raises
    ------
    UsageError
        If one is a file or the folder of the workstation itself, or does not exist although the
        folder above it does.
    """
    for folder in folders:
        path = Path(folder)
        if path.exists() and not path.is_dir():
            raise UsageError(f"{folder} is a file, not a folder", fix="name the camera's folder")
        if not path.exists() and path.absolute().parent.is_dir():
            raise UsageError(f"there is no folder {folder}", fix="check the path, or create it")
        if path.exists() and home.resolve() == path.resolve():
            raise UsageError(
                f"{folder} is the folder of the workstation itself",
                fix="name the folder that the camera software writes to",
            )
