"""The model of a workstation follows the versions of its site; what was begun keeps its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alledge.errors import SiteError, UsageError
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.classifier import Classifier
from alledge.runtime.sites.profile import CURRENT, SiteProfile, site_folder
from alledge.runtime.sites.store import revert, site_lock
from alledge.runtime.station.chosen_site import chosen_site, remember_site
from alledge.runtime.station.model import StationModel
from support.site_profiles import write_profile
from support.stations import png


class Loader:
    """Loads classifiers, and notes which were closed."""

    def __init__(self, bundle: Path) -> None:
        self.bundle = Bundle.open(bundle)
        self.closed: list[str | None] = []

    def __call__(self, site: SiteProfile | None) -> Classifier:
        classifier = Classifier.load(self.bundle, "onnx", 1, "throughput", site=site)
        close, label = classifier.close, site and site.label

        def noted_close() -> None:
            self.closed.append(label)
            close()

        classifier.close = noted_close  # type: ignore[method-assign]
        return classifier


@pytest.fixture
def load(bundle: Path) -> Loader:
    return Loader(bundle)


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def model(home: Path, load: Loader, lines: list[str]) -> Iterator[StationModel]:
    write_profile(site_folder("room-3", home), load.bundle)
    with StationModel(load, "room-3", home, lines.append) as opened:
        yield opened


def test_what_was_begun_keeps_its_version_and_the_next_gets_the_new_one(
    model: StationModel, home: Path, load: Loader
) -> None:
    with model.use() as before:
        assert model.is_current(before)
        profile = write_profile(site_folder("room-3", home), load.bundle)
        assert not model.is_current(before)
        with model.use() as after:
            assert after.recorder.site == profile.digest != before.recorder.site
            assert model.is_current(after)
        assert load.closed == []  # somebody uses it
        assert before.classifier.classify(png(1)).status != "error"
    assert load.closed == ["room-3@1"]
    assert model.current is after


def test_a_revert_is_followed_too(model: StationModel, home: Path, lines: list[str]) -> None:
    site = site_folder("room-3", home)
    with site_lock(site):
        revert(site)
    model.refresh()
    assert model.current.recorder.site is None
    assert lines == ["the site room-3@0 is in use from now on"]


def test_a_version_that_cannot_be_used_changes_nothing_and_is_reported_once(
    model: StationModel, home: Path, load: Loader, lines: list[str]
) -> None:
    site = site_folder("room-3", home)
    write_profile(site, load.bundle)
    (site / "v0002" / "site.json").write_text("{}", encoding="utf-8")
    before = model.current
    for _ in range(3):
        with model.use() as used:
            assert used is before
    assert "site.json" in model.problem
    assert len(lines) == 1
    (site / CURRENT).write_text("damaged", encoding="ascii")
    for _ in range(3):
        with model.use() as used:
            assert used is before
    assert "not the number of a version" in model.problem
    assert len(lines) == 2
    write_profile(site, load.bundle)
    model.refresh()
    assert model.problem == ""
    assert model.current is not before


def test_a_site_that_is_chosen_later_is_followed(home: Path, load: Loader) -> None:
    with StationModel(load, None, home, print) as model:
        before = model.current
        profile = write_profile(site_folder("room-3", home), load.bundle)
        model.refresh()
        assert model.current is before
        model.choose_site("room-3")
        model.refresh()
        assert model.current.recorder.site == profile.digest
    with pytest.raises(UsageError, match="no site 'room-4'"):
        StationModel(load, "room-4", home, print)


def test_the_name_that_was_chosen_on_the_page_is_the_last_resort(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    assert chosen_site(None, home, lines.append) is None
    remember_site("room-3", home)
    assert chosen_site(None, home, lines.append) == "room-3"
    assert "chosen on the page" in lines[0]
    monkeypatch.setenv("ALLEDGE_SITE", "room-4")
    assert chosen_site(None, home) == "room-4"
    assert chosen_site("room-5", home) == "room-5"
    monkeypatch.delenv("ALLEDGE_SITE")
    (home / "site").write_bytes(b"x" * 2000)
    with pytest.raises(SiteError):
        chosen_site(None, home)
