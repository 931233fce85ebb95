"""What several rooms' tests share: a generated data set and a run really trained on it.

Both are dear, so they are kept under ``.cache/`` by the content of the code that makes them.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from alledge.runtime.data.datasets import Dataset, read_dataset
from alledge.train.phantom.smears import generate
from alledge.train.runs.run_folder import Run, load_run

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
SMEARS = 16  # images of the generated data set


def cached(name: str, rooms: tuple[str, ...], make: Callable[[Path], object]) -> Path:
    """Return what `make` makes, from the cache where the code of these rooms is unchanged."""
    code = hashlib.sha256(name.encode())
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            code.update(path.relative_to(ROOT).as_posix().encode() + path.read_bytes())
    place = CACHE / f"{name}-{code.hexdigest()[:16]}"
    if not place.exists():
        for old in CACHE.glob(f"{name}-*"):
            shutil.rmtree(old, ignore_errors=True)
        making = CACHE / f".{name}-{os.getpid()}"
        shutil.rmtree(making, ignore_errors=True)
        CACHE.mkdir(exist_ok=True)
        make(making)
        if place.exists():  # another process was faster
            shutil.rmtree(making)
        else:
            making.rename(place)
    return place


@pytest.fixture(scope="session")
def smears() -> Dataset:
    """A generated data set in ALL-IDB1's layout."""
    place = cached("smears", ("train",), lambda path: generate(path, images=SMEARS, size=256))
    return read_dataset(place)


@pytest.fixture(scope="session")
def finished_run(smears: Dataset) -> Run:
    """MobileNetV2 with the gap head, from scratch on generated smears: two folds, two epochs."""

    def make(path: Path) -> None:
        from alledge.train.fitting.recipe import recipe_for
        from alledge.train.runs.session import TrainOptions, train

        recipe = recipe_for("none", epochs=2, batch_size=8, lr=None)
        order = TrainOptions("mobilenetv2", smears.root, recipe, weights="none", folds=2, out=path)
        train(order, quiet=True)

    return load_run(cached("run", ("train", "runtime"), make))


@pytest.fixture(scope="session")
def cache() -> Callable[[str, tuple[str, ...], Callable[[Path], object]], Path]:
    """What keeps a dear thing from one session to the next: `cached` above."""
    return cached
