"""Standard streams that are closed, full or gone, and signals, in real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from alledge.cli import COMMANDS

WINDOWS = sys.platform == "win32"
ALLEDGE = (sys.executable, "-m", "alledge")
TIMEOUT_S = 60
pytestmark = pytest.mark.skipif(WINDOWS, reason="shells and signals of POSIX")


def shell(redirection: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run alledge with a redirection of the shell."""
    return subprocess.run(
        ["/bin/sh", "-c", f'"$@" {redirection}', "sh", *ALLEDGE, *words],
        capture_output=True, encoding="utf-8", timeout=TIMEOUT_S, check=False,
    )  # fmt: skip


def full() -> str:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    return ">/dev/full"


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"{number}.png" for number in range(12)]
    for number, path in enumerate(paths):
        Image.new("RGB", (64, 48), (200, 10 * number, 90)).save(path)
    return [str(path) for path in paths]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_output_that_cannot_be_written_is_one_line_and_exit_code_1(command: str) -> None:
    words = (*command.split(), "--help")
    for redirection, reason in ((full(), "No space left"), (">&-", "it is closed")):
        done = shell(redirection, *words)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert "standard output cannot be written" in done.stderr
        assert reason in done.stderr


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&-", "2>&- <&-"])
def test_other_streams_do_not_change_the_answer(
    redirection: str, bundle: Path, images: list[str]
) -> None:
    full()
    words = ("classify", *images[:2], "missing.png", "--bundle", str(bundle), "--json")
    done = shell(redirection, *words)
    assert done.returncode == 1  # because of the missing image
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["status"] == "error" for record in records] == [False, False, True]
    assert shell(redirection, "classify", images[0], "--bundle", str(bundle)).returncode == 0
    assert shell(redirection, "clasify").returncode == 2


def test_a_reader_that_goes_away_ends_the_command_quietly(bundle: Path, images: list[str]) -> None:
    command = [*ALLEDGE, "classify", *images * 50, "--bundle", str(bundle), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    process.stdout.close()
    assert process.stderr is not None
    assert (process.wait(TIMEOUT_S), process.stderr.read()) == (1, b"")
    assert first["image"] == images[0]
    process.stderr.close()


def test_records_before_a_full_disk_are_whole(
    bundle: Path, images: list[str], tmp_path: Path
) -> None:
    """A limit on the size of a file stands for the disk."""
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))

    out = tmp_path / "records.json"
    with out.open("wb") as stream:
        done = subprocess.run(
            [*ALLEDGE, "classify", *images, "--bundle", str(bundle), "--json"],
            stdout=stream, stderr=subprocess.PIPE, encoding="utf-8", preexec_fn=limit,
            timeout=TIMEOUT_S, check=False,
            env={**os.environ, "ALLEDGE_CACHE": "off"},
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    *whole, _ = out.read_bytes().split(b"\n")
    assert [json.loads(line)["image"] for line in whole] == images[: len(whole)]
    assert whole


def test_csv_in_a_pipe_is_utf8_whatever_the_locale_is(
    bundle: Path, images: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "é.png"
    Path(images[0]).rename(path)
    done = subprocess.run(
        [*ALLEDGE, "classify", str(path), "--bundle", str(bundle), "--csv"],
        capture_output=True, timeout=TIMEOUT_S, check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.returncode == 0
    assert "é.png" in done.stdout.decode("utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse names that are no UTF-8")
@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_a_folder_whose_name_is_no_utf8_works_with_every_engine(
    own_bundle: Path, images: list[str], tmp_path: Path, locale: dict[str, str]
) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9\xff"))
    folder.mkdir()
    bundle = own_bundle.rename(folder / "bundle")
    image = Path(images[0]).rename(folder / "\u00e9.png" if not locale else folder / "e.png")
    environment = {**os.environ, **locale, "ALLEDGE_CACHE": str(folder / "cache")}
    commands = [
        ["classify", image, "--bundle", bundle, "--backend", name]
        for name in ("tflite", "onnx", "openvino")
    ]
    measured = folder / "measured"
    quick = ["--seconds", "0.01", "--rounds", "1", "--max-rounds", "1", "--threads", "1"]
    benchmark = ["benchmark", bundle, "--backend", "tflite", *quick, "--out", measured]
    report = ["report", measured / "benchmark.json", "--out", folder / "report.html"]
    for words in (*commands, ["verify", bundle], ["doctor", bundle], benchmark, report):
        done = subprocess.run(
            [*ALLEDGE, *map(str, words)],
            capture_output=True, timeout=TIMEOUT_S, check=False, env=environment,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stdout, done.stderr)


SWALLOW = """
import os, signal, sys
sys.argv[0] = "alledge"
from alledge import cli
from alledge.runtime import image_preparation
load, seen = image_preparation.load_image, []
def interrupted(source, settings):
    seen.append(source)
    if len(seen) == 3:
        try:
            os.kill(os.getpid(), signal.{name})
            for _ in range(10**7): pass  # the handler runs in the main thread
        except BaseException:
            pass
    return load(source, settings)
image_preparation.load_image = interrupted
cli.run()
"""


@pytest.mark.parametrize(
    ("name", "code", "line"),
    [("SIGINT", 130, "interrupted\n"), ("SIGTERM", 143, "terminated\n")],
)
@pytest.mark.parametrize("mode", ["latency", "throughput"])
def test_a_signal_ends_classify_though_code_swallows_exceptions(
    name: str, code: int, line: str, mode: str, bundle: Path, images: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SWALLOW.replace("{name}", name), "classify", *images, "--json",
         "--bundle", str(bundle), "--mode", mode],
        capture_output=True, encoding="utf-8", timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (code, line)
    records = [json.loads(text) for text in done.stdout.splitlines()]
    assert [record["image"] for record in records] == images[: len(records)]
    assert done.stdout == "" or done.stdout.endswith("\n")


EARLY = """
import importlib.abc, os, signal, sys
sys.argv[0] = "/usr/bin/alledge"
class AtClick(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "click":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, AtClick())
from alledge.cli import run
run()
"""


def test_an_interrupt_while_click_is_imported_is_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EARLY, "models"],
        capture_output=True, encoding="utf-8", timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr, done.stdout) == (130, "interrupted\n", "")


UNFINISHED = """
import os, signal, sys, threading
from pathlib import Path
if "{name}" == "SIGHUP":  # ignored where the tests run under nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
from alledge import cli
from alledge.runtime import files, interrupts
from alledge.train.networks import architectures
interrupts.UNWIND_S = 0.2
def describe():
    with files.replace_file(Path("result.txt")) as temporary:
        temporary.write_text("half", encoding="utf-8")
        try:
            os.kill(os.getpid(), signal.{name})
            threading.Event().wait(30)
        except BaseException:
            if {swallowed}:
                threading.Event().wait(30)
            raise
architectures.describe = describe
sys.argv = ["alledge", "models"]
cli.run()
"""


@pytest.mark.parametrize("swallowed", [False, True])
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_other_commands_and_leaves_no_half_file(
    name: str, code: int, swallowed: bool, tmp_path: Path
) -> None:
    source = UNFINISHED.replace("{name}", name).replace("{swallowed}", str(swallowed))
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True, encoding="utf-8", timeout=TIMEOUT_S, check=False, cwd=tmp_path,
    )  # fmt: skip
    line = "interrupted\n" if name == "SIGINT" else "terminated\n"
    assert (done.returncode, done.stderr) == (code, line)
    assert list(tmp_path.iterdir()) == []


TEARDOWN = """
import os, signal, sys
from alledge import cli
class Late:
    def __init__(self, kill, number):
        self.kill, self.number, self.process = kill, number, os.getpid()
    def __del__(self):
        self.kill(self.process, self.number)
sys.late = Late(os.kill, signal.{name})  # deleted when the modules are unloaded
sys.argv = ["alledge", "models"]
cli.run()
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_after_the_last_line_does_not_change_the_exit_code(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TEARDOWN.replace("{name}", name)],
        capture_output=True, encoding="utf-8", timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "mobilenetv2" in done.stdout


CONVERTED = """
import os, signal, sys, threading
from alledge import cli
from alledge.errors import BackendError
from alledge.train.networks import architectures
def describe():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(30)
    except BaseException:
        {reaction}
    return []
architectures.describe = describe
sys.argv = ["alledge", "models"]
cli.run()
"""


@pytest.mark.parametrize(
    "reaction", ["raise BackendError('initialization failed')", "raise ImportError('x')"]
)
def test_an_interrupt_that_a_library_turns_into_its_own_error_is_one(reaction: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CONVERTED.replace("{reaction}", reaction)],
        capture_output=True, encoding="utf-8", timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr, done.stdout) == (130, "interrupted\n", "")


FAILS = """
import sys
from alledge import cli
from alledge.train.networks import architectures
def describe():
    raise {error}
architectures.describe = describe
sys.argv = ["alledge", "models"]
cli.run()
"""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("EOFError('No data left in file')", "a file ends too early: No data left in file"),
        ("MemoryError()", "out of memory"),
        ("ZeroDivisionError('a\\nb')", "ZeroDivisionError: a\\nb; this is an error in alledge"),
        ("PermissionError(13, 'Permission denied', 'x')", "Permission denied: 'x'"),
        ("SystemError('x')", "SystemError: x"),
    ],
)
def test_an_unexpected_exception_is_one_line(error: str, said: str) -> None:
    command = [sys.executable, "-c", FAILS.replace("{error}", error)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert said in done.stderr
    assert "Aborted" not in done.stderr
    environment = {**os.environ, "ALLEDGE_DEBUG": "1"}
    more = subprocess.run(
        command, capture_output=True, encoding="utf-8", check=False, env=environment
    )
    assert more.returncode == 1
    assert "in describe" in more.stderr
