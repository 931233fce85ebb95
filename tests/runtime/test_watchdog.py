"""The watchdog: work that hangs ends in an error, and the process continues and ends."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from alledge.errors import UsageError
from alledge.runtime.classifier import MODES, Classifier, Mode
from alledge.runtime.first_use import FirstUse
from alledge.runtime.pipeline import in_order
from alledge.runtime.records import Result
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


def test_a_function_that_hangs_raises_a_timeout(never: threading.Event) -> None:
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
    from alledge.runtime import image_preparation as module

    load_image = module.load_image

    def slow(source: object, settings: object) -> object:
        if str(source) == str(images[2]):
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


def test_waiting_for_a_slow_source_exceeds_no_limit(never: threading.Event) -> None:
    def source() -> Iterator[int]:
        yield 1
        time.sleep(3 * LIMIT_S)
        yield 2

    assert list(in_order(source(), int, int, 2, LIMIT_S, lambda number, step: -number)) == [1, 2]


@pytest.mark.parametrize("limit_s", [0, -1.0, float("nan"), float("inf")])
def test_a_time_limit_that_is_not_positive_is_refused(bundle: Path, limit_s: float) -> None:
    with pytest.raises(UsageError, match="time limit"):
        Classifier.load(bundle, timeout_s=limit_s)


FROZEN = """
import ctypes, sys, threading
from alledge.runtime import watchdog
watchdog.FROZEN_GRACE_S = 0.1
def freeze():
    print("started", flush=True)
    ctypes.PyDLL(None).pause()  # waits while it holds the interpreter lock
with watchdog.FreezeTimer(0.2):
    run(freeze)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pause() on Windows")
@pytest.mark.parametrize(
    "run",
    [
        "watchdog.Watchdog(0.2).run",
        # the main thread waits for something else
        "lambda work: (threading.Thread(target=work, daemon=True).start(), "
        "threading.Event().wait())",
    ],
)
def test_a_frozen_process_ends_with_exit_code_1_and_a_stack(run: str) -> None:
    code = FROZEN.replace("run(freeze)", f"({run})(freeze)")
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == "started\n"
    assert "in freeze" in done.stderr


NOT_FROZEN = """
import faulthandler, threading
from alledge.runtime import watchdog
watchdog.FROZEN_GRACE_S = 0.2
set_again, start_timer = threading.Semaphore(0), faulthandler.dump_traceback_later
def start(*arguments, **options):
    start_timer(*arguments, **options)
    set_again.release()
faulthandler.dump_traceback_later = start
with watchdog.FreezeTimer(0.1):
    for _ in range(8):  # more than 0.3 s
        set_again.acquire()
"""


def test_a_process_that_waits_is_not_frozen() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOT_FROZEN], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_ends_although_an_image_hangs(bundle: Path, images: list[Path]) -> None:
    code = (
        "import sys, time\n"
        "from alledge import cli\n"
        "from alledge.runtime import image_preparation\n"
        "load = image_preparation.load_image\n"
        "def slow(source, settings):\n"
        "    if source.endswith('1.png'): time.sleep(1000)\n"
        "    return load(source, settings)\n"
        "image_preparation.load_image = slow\n"
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


def test_threads_that_use_a_closed_watchdog_end() -> None:
    watchdog = Watchdog(LONG_S)
    watchdog.close()
    thread = watchdog.run(threading.current_thread)
    thread.join(LONG_S)
    assert not thread.is_alive()


def test_many_threads_may_run_functions_at_once() -> None:
    watchdog = Watchdog(LONG_S)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda n: watchdog.run(lambda: n), range(400))) == list(range(400))


@every_mode
def test_an_engine_that_answers_late_is_used_again(
    bundle: Path, images: list[Path], mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, resume = threading.Event(), threading.Event()
    with Classifier.load(bundle, threads=2, mode=mode, timeout_s=LIMIT_S) as classifier:
        predict, calls = classifier.backend.predict, itertools.count()

        def slow(batch: object) -> object:
            if next(calls) < 2:
                resume.wait(LONG_S)
                answered.set()
            return predict(batch)  # type: ignore[arg-type]

        monkeypatch.setattr(classifier.backend, "predict", slow)
        late = list(classifier.classify(images[:2]))
        resume.set()
        assert answered.wait(LONG_S)
        results = wait_for(lambda: [classifier.classify(path) for path in images])
    assert [result.status for result in late] == ["error"] * 2
    assert "error" not in [result.status for result in results]


def wait_for(classify: Callable[[], list[Result]]) -> list[Result]:
    """Return the results when no error is among them, or the last ones after `LONG_S`."""
    ends_s = time.monotonic() + LONG_S
    results = classify()
    while "error" in [result.status for result in results] and time.monotonic() < ends_s:
        results = classify()
    return results


def test_the_first_use_that_hangs_does_not_stop_the_others(never: threading.Event) -> None:
    first_use, inside = FirstUse(), threading.Event()

    def hang() -> None:
        with first_use.alone():
            inside.set()
            never.wait(LONG_S)

    threading.Thread(target=hang, daemon=True).start()
    assert inside.wait(LONG_S)
    for _ in range(2):  # the second time without a wait
        with first_use.alone(max_wait_s=LIMIT_S):
            assert not never.is_set()


def test_waiting_for_the_first_use_is_not_counted_by_the_time_limit(
    never: threading.Event,
) -> None:
    first_use, inside = FirstUse(), threading.Event()

    def hang() -> None:
        with first_use.alone():
            inside.set()
            never.wait(LONG_S)

    def work() -> str:
        with first_use.alone(max_wait_s=3 * LIMIT_S):
            return "done"

    threading.Thread(target=hang, daemon=True).start()
    assert inside.wait(LONG_S)
    assert Watchdog(LIMIT_S).run(work) == "done"


def _on_threads(count: int, work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)


STOPPED = """
import sys
from alledge.runtime import watchdog
watchdog.FROZEN_GRACE_S = 0.1
with watchdog.FreezeTimer(0.2):
    print("ready", flush=True)
    sys.stdin.readline()
print("done", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not stop processes")
def test_a_process_that_ctrl_z_stopped_for_longer_than_the_limit_continues() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTSTP)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    threading.Event().wait(3 * (0.2 + 0.1))  # what is tested is a stop that lasts
    process.send_signal(signal.SIGCONT)
    assert process.communicate("\n", timeout=60) == ("done\n", "")
    assert process.returncode == 0
