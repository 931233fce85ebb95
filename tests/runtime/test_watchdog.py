"""The watchdog: work that hangs ends in an error, and the process goes on and ends."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from alledge.errors import UsageError
from alledge.runtime.classifier import MODES, Classifier, Mode
from alledge.runtime.first_use import FirstUse
from alledge.runtime.pipeline import in_order
from alledge.runtime.watchdog import StepTimeoutError, Watchdog, report_progress

LIMIT_S, LONG_S = 0.3, 20.0
every_mode = pytest.mark.parametrize("mode", MODES)


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """An event that hanging threads wait for; set when the test has ended."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def images(tmp_path: Path, make_picture: Callable[..., Image.Image]) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(6)]
    for number, path in enumerate(paths):
        make_picture(seed=number).save(path)
    return paths


def test_a_function_that_hangs_is_given_up(never: threading.Event) -> None:
    watchdog = Watchdog(LIMIT_S)
    with pytest.raises(StepTimeoutError):
        watchdog.run(lambda: never.wait(LONG_S))
    assert watchdog.run(lambda: 5) == 5


def test_a_function_that_reports_progress_may_take_longer_than_the_limit() -> None:
    def work() -> str:
        for _ in range(4):
            time.sleep(LIMIT_S / 2)
            report_progress()
        return "done"

    assert Watchdog(LIMIT_S).run(work) == "done"


def test_what_the_function_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        Watchdog(LIMIT_S).run(lambda: 1 / 0)


def test_threads_end_with_their_watchdog() -> None:
    watchdog = Watchdog(LONG_S)
    thread = watchdog.run(threading.current_thread)
    assert watchdog.run(threading.current_thread) is thread
    del watchdog
    thread.join(LONG_S)
    assert not thread.is_alive()


@every_mode
def test_an_image_that_cannot_be_read_in_time_is_an_error_and_the_others_are_answered(
    bundle: Path,
    images: list[Path],
    mode: Mode,
    never: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from alledge.runtime import classifier as module

    load_image = module.load_image

    def slow(source: object, settings: object) -> object:
        if source == images[2]:
            never.wait(LONG_S)
        return load_image(source, settings)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "load_image", slow)
    with Classifier.load(bundle, threads=2, mode=mode, timeout_s=LIMIT_S) as classifier:
        results = list(classifier.classify(images))
    assert [result.status == "error" for result in results] == [False] * 2 + [True] + [False] * 3
    assert "reading the image takes longer than 0.3 s" in str(results[2].error)
    assert results[2].image == str(images[2])


@every_mode
def test_an_engine_that_hangs_ends_every_image_in_an_error(
    bundle: Path,
    images: list[Path],
    mode: Mode,
    never: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began = time.monotonic()
    with Classifier.load(bundle, threads=2, mode=mode, timeout_s=LIMIT_S) as classifier:
        predict = classifier.backend.predict
        monkeypatch.setattr(classifier.backend, "predict", lambda _: never.wait(LONG_S))
        results = list(classifier.classify(images))
        monkeypatch.setattr(classifier.backend, "predict", predict)
    assert [result.status for result in results] == ["error"] * len(images)
    assert "does not answer within 0.3 s" in str(results[0].error)
    assert "start alledge again" in str(results[-1].error)
    assert time.monotonic() - began < LONG_S


def test_an_item_that_waits_behind_threads_that_hang_is_answered(never: threading.Event) -> None:
    """Both workers hang in later items while the first one waits for its second step."""

    def prepare(number: int) -> int:
        if number in (1, 2):
            never.wait(LONG_S)
        return number

    results = in_order(range(4), prepare, int, 2, LIMIT_S, lambda number, step: -number)
    assert list(results) == [0, -1, -2, 3]


def test_a_slow_source_is_no_late_image(never: threading.Event) -> None:
    def source() -> Iterator[int]:
        yield 1
        time.sleep(3 * LIMIT_S)
        yield 2

    assert list(in_order(source(), int, int, 2, LIMIT_S, lambda number, step: -number)) == [1, 2]


@pytest.mark.parametrize("limit_s", [0, -1.0, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused(bundle: Path, limit_s: float) -> None:
    with pytest.raises(UsageError, match="time limit"):
        Classifier.load(bundle, timeout_s=limit_s)


FROZEN = """
import ctypes, sys, threading
from alledge.runtime import watchdog
watchdog.FROZEN_GRACE_S = 0.1
watchdog.end_process_when_frozen()
def freeze():
    print("started", flush=True)
    ctypes.PyDLL(None).pause()  # waits while it holds the interpreter lock
watchdog.Watchdog(0.2).run(freeze)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pause() on Windows")
def test_a_frozen_process_ends_with_exit_code_1_and_a_stack() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FROZEN], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stdout == "started\n"
    assert "in freeze" in done.stderr


def test_the_command_ends_although_an_image_hangs(bundle: Path, images: list[Path]) -> None:
    code = (
        "import sys, time\n"
        "from alledge import cli\n"
        "from alledge.runtime import classifier\n"
        "load = classifier.load_image\n"
        "def slow(source, settings):\n"
        "    if source.endswith('1.png'): time.sleep(1000)\n"
        "    return load(source, settings)\n"
        "classifier.load_image = slow\n"
        "cli.run()\n"
    )
    command = [sys.executable, "-c", code, "classify", *map(str, images[:3]), "--json"]
    done = subprocess.run(
        [*command, "--timeout", "0.5", "--bundle", str(bundle)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["status"] == "error" for record in records] == [False, True, False]
    assert done.returncode == 1


def test_the_first_use_is_made_by_one_thread_alone() -> None:
    first_use, at_once, highest, lock = FirstUse(), 0, 0, threading.Lock()
    together = threading.Barrier(3)

    def use(wait: bool) -> None:
        nonlocal at_once, highest
        with first_use.alone():
            with lock:
                at_once += 1
                highest = max(highest, at_once)
            if wait:
                together.wait(LONG_S)  # passes only where three are in at once
            with lock:
                at_once -= 1

    with pytest.raises(ZeroDivisionError), first_use.alone():
        raise ZeroDivisionError
    _on_threads(3, lambda: use(False))
    assert highest == 1
    _on_threads(3, lambda: use(True))
    assert highest == 3


def _on_threads(count: int, work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
