"""Adopts the microscope of a running workstation from what people have checked on its page."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Literal, TypedDict

from ...errors import AlledgeError, DataError, UsageError
from ..bundle.signing import trusted_keys
from ..sites.adoption import AdoptionDocument, adopt_site
from ..sites.adoption import revert as revert_site
from ..sites.examples import LEAST_EXAMPLES, LEAST_GROUPS
from ..sites.profile import site_folder
from .chosen_site import remember_site
from .corrections import checked_verdicts
from .history.store import History
from .model import StationModel

State = Literal["none", "reading", "fitting", "finished", "failed"]


class CheckedDocument(TypedDict):
    """What people have checked, as far as an adoption can use it."""

    count: int  # cells, or images
    images: int
    labels: dict[str, int]  # number of each label
    lost: int  # verdicts whose file was uploaded, is gone, or was changed
    least: int  # fewer than this are refused
    least_images: int  # of each side


class RunDocument(TypedDict):
    """The adoption that runs, or the last one since the start of the server."""

    state: State
    done: int  # images that were read
    images: int
    error: str | None
    outcome: AdoptionDocument | None


class SiteDocument(TypedDict):
    """The answer of ``/v1/site``."""

    name: str | None
    version: int | None
    adopted: bool  # whether the model has a layer of this site
    needs_key: bool  # whether profiles have to be signed: only the command line does that
    problem: str  # why the newest version is not in use; empty if it is
    checked: CheckedDocument
    run: RunDocument


NO_RUN: RunDocument = {"state": "none", "done": 0, "images": 0, "error": None, "outcome": None}


class BusyError(Exception):
    """An adoption runs already."""


class Adopting:
    """Adopts and reverts the site of a workstation, one at a time.

    Parameters
    ----------
    model : StationModel
        It is told of the new version.
    history : History
        It has what people have checked.
    home : Path
        Folder of the workstation.
    threads : int or None
        As `Classifier.load`.
    """

    def __init__(
        self, model: StationModel, history: History, home: Path, threads: int | None = None
    ) -> None:
        self._model, self._history, self._home, self._threads = model, history, home, threads
        self._busy = threading.Lock()
        self._run = NO_RUN
        self._checked: tuple[tuple[int, int], CheckedDocument] | None = None

    def document(self) -> SiteDocument:
        """Return what is known of the site, of what was checked, and of the adoption."""
        model = self._model
        profile = model.current.classifier.site
        return {
            "name": model.site,
            "version": None if profile is None else profile.version,
            "adopted": profile is not None and profile.head is not None,
            "needs_key": bool(trusted_keys()),
            "problem": model.problem,
            "checked": self._count(),
            "run": self._run,
        }

    def start(self, name: str) -> None:
        """Begin to adopt in a thread; `document` has the progress and the outcome.

        Parameters
        ----------
        name : str
            Of the site. A workstation without a site takes this one if it is adopted.

        Raises
        ------
        UsageError
            If the name is no name of a site, or not that of the workstation's site; if profiles
            have to be signed.
        BusyError
            If an adoption runs.
        """
        self._check_name(name)
        if trusted_keys():
            raise UsageError(
                "this device uses only signed site profiles, and the page cannot sign",
                fix=f"alledge adopt --site {name} --corrections --sign KEY",
            )
        if not self._busy.acquire(blocking=False):
            raise BusyError
        self._run = {**NO_RUN, "state": "reading"}
        threading.Thread(
            target=self._adopt, args=(name,), name="alledge-adopt", daemon=True
        ).start()

    def revert(self, name: str) -> None:
        """Take the version before the one in use into use.

        Raises
        ------
        UsageError
            As `start`, and if there is nothing to go back to.
        SiteError
            If another process holds the site, or the version to go back to is damaged.
        BusyError
            If an adoption runs.
        """
        self._check_name(name)
        if not self._busy.acquire(blocking=False):
            raise BusyError
        try:
            revert_site(name, self._home)
            self._run = NO_RUN
            self._model.refresh()
        finally:
            self._busy.release()

    def _check_name(self, name: str) -> None:
        site_folder(name, self._home)
        own = self._model.site
        if own is not None and name != own:
            raise UsageError(
                f"the site of this workstation is {own}, not {name}",
                fix=f"`alledge serve --site {name}` uses another one",
            )

    def _adopt(self, name: str) -> None:
        try:
            document = self._adopted(name)
            self._run = {**self._run, "state": "finished", "outcome": document}
        except AlledgeError as error:
            self._run = {**self._run, "state": "failed", "error": error.one_line}
        except Exception as error:  # the page must show it, whatever it is
            self._run = {**self._run, "state": "failed", "error": repr(error)}
        finally:
            self._busy.release()

    def _adopted(self, name: str) -> AdoptionDocument:
        def progress(done: int, images: int) -> None:
            state: State = "reading" if done < images else "fitting"
            self._run = {**self._run, "state": state, "done": done, "images": images}

        verdicts = checked_verdicts(self._history)
        if not verdicts.rows:
            raise DataError(
                "there is no verdict of a person on a file that is still there",
                fix="correct or confirm cells of pictures in the watched folder",
            )
        classifier = self._model.current.classifier
        document = adopt_site(
            name, verdicts.rows, bundle=classifier.bundle, backend=classifier.backend.name,
            threads=self._threads, home=self._home, progress=progress,
        )  # fmt: skip
        if document["adopted"]:
            if self._model.site is None:
                remember_site(name, self._home)
                self._model.choose_site(name)
            self._model.refresh()
        return document

    def _count(self) -> CheckedDocument:
        """Return what was checked; counted again when people have said more."""
        counts = self._history.counts()
        key = counts["verdict"], counts["removal"]
        if self._checked is None or self._checked[0] != key:
            verdicts = checked_verdicts(self._history, by_time=True)
            labels = Counter(row.label for row in verdicts.rows)
            self._checked = (
                key,
                {
                    "count": len(verdicts.rows),
                    "images": len({row.group for row in verdicts.rows}),
                    "labels": dict(labels.most_common()),
                    "lost": verdicts.lost,
                    "least": LEAST_EXAMPLES,
                    "least_images": LEAST_GROUPS,
                },
            )
        return self._checked[1]
