"""Every key of ``bundle.json`` times 18 values: no traceback, no silent change of an answer.

A part of the changes is tried in each run; ``ALLEDGE_FUZZ=full`` tries all of them.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from alledge.errors import BundleError
from alledge.runtime.bundle import answers as answers_module
from alledge.runtime.bundle.answers import answers, guard_flags
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.references import References
from alledge.runtime.bundle.verify import replay_answers
from alledge.runtime.guards.fitting import fit_guards
from alledge.runtime.guards.image_statistics import image_statistics
from alledge.runtime.imaging import Header

REMOVED = object()
VALUES: tuple[Any, ...] = (
    REMOVED, None, True, 0, 1, -1, 0.75, 1e308, -1e-300, 10**400, float("nan"), float("inf"),
    "", "x", "\x1b[31m\n", [], [None, "x"], {"x": 1},
)  # fmt: skip
EVERY = 1 if os.environ.get("ALLEDGE_FUZZ") == "full" else 11  # a prime: every value occurs
SIDE, IMAGES = 48, 16
HEADER = Header(640, 480, "Canon")

KeyPath = tuple[str | int, ...]


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    rng = np.random.default_rng(3)
    small = rng.integers(60, 256, (IMAGES, SIDE // 8, SIDE // 8, 3), dtype=np.uint8)
    return np.ascontiguousarray(small.repeat(8, axis=1).repeat(8, axis=2))


@pytest.fixture(scope="module")
def record(bundles_module: ModuleType, images: np.ndarray) -> dict[str, Any]:
    """A record with guards and an image path of its own."""
    return {
        **bundles_module.RECORD_KEYS,
        "image_path": {"size": SIDE, "geometry": "crop", "draft": 2 * SIDE},
        "formats": {name: bundles_module.format_row(name) for name in ("tflite", "openvino")},
        "training": {"data": {"name": "generated", "images": IMAGES}, "split": {}, "seed": 0},
        "metrics": {"auc": {"value": 0.9}},
        "guards": fit_guards([image_statistics(image, HEADER) for image in images]),
        "seen": {"salt": "00ff", "hashes": ["0" * 32, "1" * 32]},
        "files": dict.fromkeys(("model.tflite", "model.xml", "model.bin"), "ab" * 32),
        "sizes": dict.fromkeys(("model.tflite", "model.xml", "model.bin"), 1000),
    }


@pytest.fixture(scope="module")
def bundles_module() -> ModuleType:
    from support import bundles

    return bundles


@pytest.fixture(scope="module")
def references(record: dict[str, Any], images: np.ndarray) -> References:
    p = np.linspace(0.02, 0.98, IMAGES, dtype=np.float32)
    scores = np.stack([1 - p, p], axis=1)
    rows = {
        name: {"answers": answers(scores, record["labels"], record["positive"], row)}
        for name, row in record["formats"].items()
    }
    parity = {"reference": {"flags": guard_flags(images, record["guards"])}, "formats": rows}
    return References(images, images[0], dict.fromkeys(rows, scores), parity)


@pytest.fixture
def _cached_statistics(monkeypatch: pytest.MonkeyPatch, images: np.ndarray) -> None:
    """Compute the statistics of each image once."""
    known = {image.tobytes(): image_statistics(image) for image in images}
    monkeypatch.setattr(answers_module, "image_statistics", lambda rgb: known[rgb.tobytes()])


def keys(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the path of every value; of a long list, only those of the first and the last item."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, item in value.items():
            yield from keys(item, (*path, name))
    elif isinstance(value, list) and value:
        for number in sorted({0, len(value) - 1}):
            yield from keys(value[number], (*path, number))


def changed(record: dict[str, Any], path: KeyPath, value: Any) -> dict[str, Any] | None:
    """Return the record with one change; None if it changes nothing."""
    document = copy.deepcopy(record)
    place: Any = document
    for key in path[:-1]:
        place = place[key]
    before = place[path[-1]]
    if value is REMOVED:
        del place[path[-1]]
    else:
        place[path[-1]] = copy.deepcopy(value)
    is_same = type(value) in (int, float) and type(before) in (int, float) and value == before
    is_same |= value is not REMOVED and json.dumps(before) == json.dumps(value)
    return None if is_same else document


def all_changes(record: dict[str, Any]) -> Iterator[tuple[KeyPath, Any, dict[str, Any]]]:
    number = 0
    for path in keys(record):
        for value in VALUES:
            number += 1
            if number % EVERY == 0 and (document := changed(record, path, value)) is not None:
                yield path, value, document


def text(document: dict[str, Any], checksum: str) -> bytes:
    """Return the text of a record that may hold NaN, with a checksum that may be wrong."""
    return json.dumps({**document, "checksum": checksum}).encode("utf-8")


@pytest.mark.usefixtures("_cached_statistics")
def test_a_record_that_was_changed_by_hand_is_refused(
    record: dict[str, Any], bundles_module: ModuleType, tmp_path: Path
) -> None:
    bundles_module.write_record(tmp_path, record)
    checksum = bundles_module.read_record(tmp_path)["checksum"]
    count = 0
    for path, value, document in all_changes(record):
        (tmp_path / "bundle.json").write_bytes(text(document, checksum))
        with pytest.raises(BundleError) as caught:
            Bundle.open(tmp_path)
        assert str(tmp_path) in str(caught.value), (path, value)
        count += 1
    assert count > 100
    print(f"{count} changes, all refused")


@pytest.mark.usefixtures("_cached_statistics")
def test_a_wrong_value_with_a_right_checksum_is_refused_or_changes_no_answer_in_silence(
    record: dict[str, Any],
    references: References,
    bundles_module: ModuleType,
    tmp_path: Path,
) -> None:
    bundles_module.write_record(tmp_path, record)
    assert replay_answers(Bundle.open(tmp_path), references)["status"] == "pass"
    outcomes = {"refused": 0, "other answers, found by verify": 0, "the same answers": 0}
    printed: list[str] = []
    for path, value, document in all_changes(record):
        try:
            content = bundles_module.record_text(document)
        except ValueError:  # NaN: the writer refuses it
            outcomes["refused"] += 1
            continue
        (tmp_path / "bundle.json").write_bytes(content)
        try:
            replay = replay_answers(Bundle.open(tmp_path), references)
        except BundleError as error:
            printed.append(str(error))
            outcomes["refused"] += 1
            continue
        is_same = replay["status"] == "pass"
        outcomes["the same answers" if is_same else "other answers, found by verify"] += 1
        if is_same:
            assert not decides(path), (path, value)
    print(outcomes)
    assert not [message for message in printed if "\x1b" in message]
    assert min(outcomes.values()) > 0


def decides(path: KeyPath) -> bool:
    """Return whether no value of a key can leave all answers as they are.

    A limit of a guard may, if no image lies between the two limits.
    """
    return path[0] in ("labels", "positive") or path[-1] == "temperature"
