"""Generated fields for the tests of cells."""

from __future__ import annotations

from pathlib import Path

import pytest

from alledge.train.phantom.smears import draw_field

FIELDS, SIZE = 4, 480


@pytest.fixture(scope="session")
def fields(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files of generated fields, every other one with blasts; tests only read them."""
    folder = tmp_path_factory.mktemp("fields")
    paths = [folder / f"{number}.png" for number in range(FIELDS)]
    for number, path in enumerate(paths):
        draw_field(3, number, number % 2 == 1, size=SIZE)[0].save(path)
    return paths
