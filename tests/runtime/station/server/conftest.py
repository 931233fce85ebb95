"""Servers that the tests of a module share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.browsers import chromium
from support.stations import TOKEN, Server, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[Server]:
    """A server of a field bundle that takes files of 1 MiB, and watches a folder."""
    place = tmp_path_factory.mktemp("station")
    (place / "camera").mkdir()
    options = (str(place / "camera"), "--max-mib", "1", "--max-megapixels", "1")
    with serving(place / "home", bundle, *options) as process:
        yield process


@pytest.fixture(scope="module")
def cell_server(
    tmp_path_factory: pytest.TempPathFactory, cell_bundle: Path, smears: Any
) -> Iterator[Server]:
    """A server of a cell bundle that needs a token; it has one result with cells."""
    place = tmp_path_factory.mktemp("station")
    with serving(place / "home", cell_bundle, "--token", TOKEN) as process:
        field = next(path for path in sorted(smears.root.rglob("*.jpg")))
        headers = {"authorization": f"Bearer {TOKEN}"}
        answer = process.ask("POST", "/v1/classify", field.read_bytes(), headers)
        assert answer.status == 200, answer.body
        yield process


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium that reaches this machine only."""
    with chromium() as started:
        yield started
