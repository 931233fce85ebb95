"""The model of a workstation: a classifier that follows the versions of its site profile."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import AlledgeError
from .recording import Recorder

if TYPE_CHECKING:
    from ..bundle.bundle import Bundle
    from ..classifier import Classifier
    from ..sites.profile import SiteProfile

    Load = Callable[[SiteProfile | None], Classifier]


@dataclass
class LoadedModel:
    """A classifier, what makes rows of its results, and how many use it now."""

    classifier: Classifier
    recorder: Recorder
    users: int = 0


class StationModel:
    """A classifier that is loaded again when another version of its site is in use.

    Results that were begun keep the version that they were begun with. Several threads may use it.
    It is a context manager, which frees the engine.

    Parameters
    ----------
    load : callable
        Returns a classifier for the profile of a site; for None, one without a site.
    site : str or None
        Name of the site.
    home : Path
        Folder of the workstation, which has the site profiles.
    notice : callable
        Gets lines for people.

    Raises
    ------
    AlledgeError
        As `open_site`, and what `load` raises.
    """

    def __init__(
        self, load: Load, site: str | None, home: Path, notice: Callable[[str], object]
    ) -> None:
        self._load, self._home, self._notice = load, home, notice
        self._site = site
        self._lock = threading.Lock()  # of `_current` and the numbers of users
        self._loading = threading.Lock()
        self._problem = ""
        profile = None if site is None else _open_site(site, home)
        self._version = None if profile is None else (profile.folder, profile.version)
        self._current = self._loaded(profile)

    @property
    def site(self) -> str | None:
        """Name of the site."""
        return self._site

    @property
    def bundle(self) -> Bundle:
        """The bundle, which stays the same."""
        return self._current.classifier.bundle

    @property
    def problem(self) -> str:
        """Why the version of the site that is in use could not be loaded; empty if it was."""
        return self._problem

    @property
    def current(self) -> LoadedModel:
        """The model that the next image gets; `use` has to surround its use."""
        return self._current

    @contextlib.contextmanager
    def use(self) -> Iterator[LoadedModel]:
        """Give the model in use, which stays loaded during the body of the ``with``."""
        self.refresh()
        with self._lock:
            model = self._current
            model.users += 1
        try:
            yield model
        finally:
            with self._lock:
                model.users -= 1
                is_unused = model is not self._current and not model.users
            if is_unused:
                model.classifier.close()

    def is_current(self, model: LoadedModel) -> bool:
        """Return whether the next image gets this model, too."""
        return model is self._current and not self._is_outdated()

    def refresh(self) -> None:
        """Load the version of the site that is in use, unless it is loaded.

        One thread loads it, and others go on with the model that is there. If it cannot be
        loaded, the model stays as it is, and `problem` says why.
        """
        if not self._is_outdated() or not self._loading.acquire(blocking=False):
            return
        try:
            assert self._site is not None
            self._version = _version_in_use(self._site, self._home)
            profile = _open_site(self._site, self._home)
            self._replace(self._loaded(profile))
            self._notice(f"the site {profile.label} is in use from now on")
            self._problem = ""
        except AlledgeError as error:
            self._report(error)
        finally:
            self._loading.release()

    def choose_site(self, site: str) -> None:
        """Follow the versions of this site from now on."""
        self._site = site

    def close(self) -> None:
        """Free the engine; nobody may use the model any more."""
        self._current.classifier.close()

    def __enter__(self) -> StationModel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_outdated(self) -> bool:
        """Return whether another version of the site is in use than the one that was loaded."""
        if self._site is None:
            return False
        try:
            return self._version != _version_in_use(self._site, self._home)
        except AlledgeError as error:
            self._report(error)
            return False

    def _loaded(self, profile: SiteProfile | None) -> LoadedModel:
        classifier = self._load(profile)
        return LoadedModel(classifier, Recorder(classifier))

    def _replace(self, model: LoadedModel) -> None:
        with self._lock:
            before, self._current = self._current, model
            is_unused = not before.users
        if is_unused:
            before.classifier.close()

    def _report(self, error: AlledgeError) -> None:
        if error.one_line != self._problem:
            self._problem = error.one_line
            self._notice(f"error: the new version of the site is not used: {error.one_line}")


# Without a site, nothing of its profile is imported.
def _open_site(name: str, home: Path) -> SiteProfile:
    from ..sites.profile import open_site

    return open_site(name, home)


def _version_in_use(name: str, home: Path) -> tuple[Path, int]:
    from ..sites.profile import version_in_use

    return version_in_use(name, home)
