"""``alledge watch``: loads the bundle, opens the history, and prints each new result."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ....errors import UsageError
from ...bundle.finding import builtin_notice, open_bundle
from ...classifier import Classifier
from ...garbage import collect_from_now_on
from ...terminal import echo, printable
from ...watchdog import FreezeTimer
from ..camera.session import CameraSettings, camera_settings, grab_on_enter, grabbing
from ..chosen_site import chosen_site
from ..history.documents import entry_document, entry_line
from ..history.store import History
from ..home import station_home
from ..model import StationModel
from ..mqtt.broker import parse_broker
from ..mqtt.publisher import drain_all, publishing
from ..options import StationOptions
from .watcher import Announce, Watcher

if TYPE_CHECKING:
    from ...sites.profile import SiteProfile


def notice(text: str) -> None:
    """Print a line for people, on standard error."""
    echo(printable(text), err=True)


def watch_folders(options: StationOptions, *, once: bool, as_json: bool) -> int:
    """Watch folders and a camera, print each new result, and return the number of failures.

    Parameters
    ----------
    options : StationOptions
    once : bool
        Work off the files that are there, or a recording, and return.
    as_json : bool
        Print documents of the history, one a line.

    Returns
    -------
    int
        With `once`: pictures that could not be read, and folders that were not watched.

    Raises
    ------
    UsageError
        If there is nothing to watch, a folder is no folder, or `once` is asked of a live camera;
        or as `station_home`, `parse_broker`, `camera_settings` and `Classifier.load`.
    HistoryError
        As `History`.
    """
    broker = None if options.mqtt is None else parse_broker(options.mqtt, options.mqtt_ca)
    if not options.folders and options.camera is None:
        raise UsageError("there is nothing to watch", fix="name a folder, or --camera 0")
    place = station_home(options.home)
    check_folders(options.folders, place)
    camera = camera_settings(options, place)
    if camera is not None and camera.is_live and once:
        raise UsageError("--once with a camera that never ends", fix="leave --once out")
    with (
        History(place) as history,
        FreezeTimer(options.timeout_s) as timer,
        load_model(timer, options, place) as model,
        publishing(broker, model.bundle, place, notice) as publisher,
        grabbing(camera, notice) as grabber,
    ):
        collect_from_now_on()

        def announce(number: int, path: str) -> None:
            entry = history.entry(number)
            if entry is not None:
                echo(json.dumps(entry_document(entry)) if as_json else entry_line(entry))

        watcher = new_watcher(options, camera, model, history, place, announce)
        if grabber is not None and once:
            grabber.join()
        elif grabber is not None:
            grab_on_enter(grabber)
        if not once:
            names = ", ".join(watcher.folders)
            notice(f"watching {names} with {model.bundle.name}; Ctrl-C ends it")
        watcher.run(once=once)
        if publisher is not None:
            drain_all(publisher, notice)
        counts = watcher.counts
        notice(
            f"{counts['new']} new, {counts['known']} known already, "
            f"{counts['unreadable']} unreadable, {counts['foreign']} no pictures; "
            "research software, not a medical device"
        )
        return counts["unreadable"] + len(watcher.problems)


def new_watcher(
    options: StationOptions,
    camera: CameraSettings | None,
    model: StationModel,
    history: History,
    home: Path,
    announce: Announce,
) -> Watcher:
    """Return the watcher of the folders of the options, and of that of the camera."""
    own = () if camera is None else (str(camera.folder),)
    return Watcher(
        (*options.folders, *own), model, history, home, settle_s=options.settle_s,
        interval_s=options.interval_s, recursive=options.recursive, whole=own, announce=announce,
        notice=notice,
    )  # fmt: skip


def load_model(timer: FreezeTimer, options: StationOptions, home: Path) -> StationModel:
    """Load a bundle for a workstation: throughput mode, with previews.

    Parameters
    ----------
    timer : FreezeTimer
        Gets more time while an engine loads.
    options : StationOptions
    home : Path
        Has the profile of the site.
    """
    from ...batch import LOAD_LIMIT_S

    opened = open_bundle(options.bundle)
    if options.bundle is None and (line := builtin_notice(opened)):
        notice(line)

    def load(site: SiteProfile | None) -> Classifier:
        timer.limit_s = LOAD_LIMIT_S
        try:
            return Classifier.load(
                opened, options.backend, options.threads, "throughput", options.timeout_s,
                site=site, previews=True,
            )  # fmt: skip
        finally:
            timer.limit_s = options.timeout_s

    return StationModel(load, chosen_site(options.site, home, notice), home, notice)


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
