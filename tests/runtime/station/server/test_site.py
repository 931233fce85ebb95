"""The site of a running server: adopted from verdicts, used without a restart, and reverted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from alledge.devices.pack.signing_keys import generate_keys
from alledge.errors import UsageError
from alledge.runtime.bundle.finding import builtin_folder
from alledge.runtime.classifier import Classifier
from alledge.runtime.sites.profile import open_site
from alledge.runtime.station.adopting import Adopting
from alledge.runtime.station.history.store import History
from alledge.runtime.station.history.verification import verify_history
from alledge.runtime.station.model import StationModel
from alledge.runtime.station.server.openapi import openapi_document
from support.brokers import wait_until
from support.checked_fields import FIELDS, draw_fields, entries_of, judge_all
from support.generated_cells import Places
from support.stations import TOKEN, Answer, Server, serving


@dataclass(frozen=True)
class Station:
    """A server that has classified fields, the cells of the fields, and its folder."""

    server: Server
    folder: Path
    truth: dict[str, Places]


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    place = tmp_path_factory.mktemp("station")
    (place / "camera").mkdir()
    truth = draw_fields(place / "camera")
    with serving(place / "home", builtin_folder(), str(place / "camera")) as server:
        entries_of(server, FIELDS)
        yield Station(server, place / "camera", truth)


def site_of(server: Server) -> dict[str, Any]:
    """Return the answer of ``/v1/site``, which has to be as described."""
    document = openapi_document()
    answer: dict[str, Any] = server.get("/v1/site").json
    schema = {"$ref": "#/components/schemas/site", "components": document["components"]}
    jsonschema.Draft202012Validator(schema).validate(answer)
    return answer


def outcome_of(server: Server) -> dict[str, Any]:
    """Wait for the end of the adoption, and return it."""
    wait_until(lambda: site_of(server)["run"]["state"] in ("finished", "failed"))
    run: dict[str, Any] = site_of(server)["run"]
    return run


def adopt(server: Server, name: str = "room-3") -> Answer:
    return server.post_json(f"/v1/sites/{name}/adopt", {})


def test_verdicts_are_adopted_while_the_server_runs_and_reverted(station: Station) -> None:
    server, fresh = station.server, station.folder
    assert adopt(server).status == 202
    assert "0 verdicts of people" in outcome_of(server)["error"]
    assert not (server.home / "sites").exists()
    entries = entries_of(server, FIELDS)
    count = judge_all(server, entries, station.truth, np.random.default_rng(3))
    assert site_of(server)["checked"] | {"labels": {}} == {
        "count": count, "images": FIELDS, "labels": {}, "lost": 0, "least": 20, "least_images": 3
    }  # fmt: skip

    assert adopt(server).status == 202  # labels at random
    refused = outcome_of(server)["outcome"]
    assert (refused["adopted"], refused["version"]) == (False, None)
    assert (site_of(server)["name"], site_of(server)["adopted"]) == (None, False)

    judge_all(server, entries, station.truth)
    assert adopt(server).status == 202
    assert adopt(server).status == 409  # one runs
    assert server.post_json("/v1/sites/room-3/revert", {}).status == 409
    document = outcome_of(server)["outcome"]
    assert document["adopted"]
    assert document["after"]["auc"] >= document["before"]["auc"]
    wait_until(lambda: site_of(server)["adopted"])
    assert server.get("/v1/state").json["coverage"]["site"] == "room-3@1"

    profile = open_site("room-3", server.home)
    draw_fields(fresh, 1, seed=7)  # a new picture is judged by the new profile
    newest = entries_of(server, FIELDS + 1)[0]
    assert newest["record"]["site"] == "room-3@1"
    assert server.post_json("/v1/sites/room-3/revert", {}).json["version"] == 0
    draw_fields(fresh, 1, seed=8)
    last = entries_of(server, FIELDS + 2)[0]
    assert last["record"]["site"] == "room-3@0"
    with History(server.home) as history:
        rows = [history.entry(row["number"]) for row in (entries[0], newest, last)]
        assert [row and row.site for row in rows] == [None, profile.digest, None]
        assert verify_history(history)["problems"] == []
    assert server.post_json("/v1/sites/room-3/revert", {}).status == 409  # the shipped model


def test_a_site_that_was_chosen_on_the_page_is_kept_and_nothing_is_classified_twice(
    station: Station,
) -> None:
    server = station.server
    count = server.get("/v1/state").json["counts"]["result"]
    with serving(server.home, builtin_folder(), str(station.folder)) as second:
        assert site_of(second)["name"] == "room-3"
        assert adopt(second, "room-4").status == 422
        assert adopt(second).status == 202
        assert outcome_of(second)["outcome"]["adopted"]
    # the first server follows what another process adopted
    (station.folder / "again.png").write_bytes(next(station.folder.glob("07*")).read_bytes())
    draw_fields(station.folder, 1, seed=9)
    assert entries_of(server, count + 1)[0]["record"]["site"] == "room-3@2"
    assert server.get("/v1/state").json["counts"]["result"] == count + 1


@pytest.mark.parametrize("action", ["adopt", "revert"])
def test_strangers_change_no_site(cell_server: Server, action: str) -> None:
    path, token = f"/v1/sites/room-3/{action}", f"Bearer {TOKEN}"
    assert cell_server.post_json(path, {}).status == 401
    for headers, status in (
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"host": "evil.example"}, 421),
        ({"content-type": "text/plain"}, 415),
    ):
        answer = cell_server.post_json(path, {}, authorization=token, **headers)
        assert answer.status == status, headers
    for name in ("..", "con", ".hidden", "%2e%2e", "a%2fb", "x" * 65):
        path = f"/v1/sites/{name}/{action}"
        answer = cell_server.post_json(path, {}, authorization=token)
        assert answer.status in (404, 422), name
    assert cell_server.get("/v1/site").status == 401
    assert not (cell_server.home / "sites").exists()


def test_a_device_that_trusts_keys_adopts_on_the_command_line(
    home: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        History(home) as history,
        Classifier.load(bundle, "onnx", 1, "throughput") as classifier,
    ):
        model = StationModel(lambda site: classifier, None, home, print)
        adopting = Adopting(model, history, home)
        assert not adopting.document()["needs_key"]
        _, public = generate_keys(home / "lab")
        (home / "trusted").mkdir()
        shutil.copy(public, home / "trusted")
        monkeypatch.setenv("ALLEDGE_TRUSTED_KEYS", str(home / "trusted"))
        assert adopting.document()["needs_key"]
        with pytest.raises(UsageError, match="--sign KEY"):
            adopting.start("room-3")
