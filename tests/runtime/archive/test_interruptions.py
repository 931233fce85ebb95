"""``alledge archive`` when something ends or refuses: nothing is lost, and nothing is double."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alledge.errors import AlledgeError
from alledge.runtime.archive.results.driver_lock import driver_lock
from alledge.runtime.archive.sources.local_files import LocalFolder
from alledge.runtime.archive.stores import open_place
from alledge.runtime.data.inputs import LeftOut
from support.archives import archive, rows, write_fields

FIELDS = 200
LIMITED = """
import resource, signal, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from alledge.cli import run
sys.argv[0] = "alledge"
run()
"""


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive") / "fields"
    write_fields(folder, FIELDS)
    return folder


def start(*words: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "alledge", "archive", *map(str, words)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )


def parts(results: Path) -> int:
    return len(list(results.glob("model=*/part-*.parquet")))


def is_complete(results: Path) -> bool:
    """Return whether each field has one row, and no hidden file is read."""
    paths = [row["path"] for row in rows(results)]
    return len(paths) == len(set(paths)) == FIELDS


def test_a_killed_run_goes_on_and_loses_and_doubles_nothing(
    tmp_path: Path, fields: Path, bundle: Path
) -> None:
    words = (fields, "--out", tmp_path / "out", "--bundle", bundle, "--part-rows", "64")
    kills = 0
    while True:
        before = parts(tmp_path / "out")
        with start(*words) as process:
            while process.poll() is None and (kills == 2 or parts(tmp_path / "out") == before):
                time.sleep(0.005)
            if process.poll() is None:
                process.kill()
                kills += 1
            elif process.returncode == 0:
                break
    assert kills
    assert is_complete(tmp_path / "out")
    assert "0 fields written" in archive(*words).stdout


@pytest.mark.skipif(os.name != "posix", reason="SIGTERM does not reach a process on Windows")
def test_an_ended_run_writes_what_it_has_classified(
    tmp_path: Path, fields: Path, bundle: Path
) -> None:
    words = (fields, "--out", tmp_path / "out", "--bundle", bundle)
    with start(*words) as process:
        while not (tmp_path / "out" / "_driver.json").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    assert archive(*words).exit_code == 0
    assert is_complete(tmp_path / "out")


def test_a_second_driver_is_refused_with_the_name_of_the_first(
    tmp_path: Path, fields: Path, bundle: Path
) -> None:
    words = (fields / "field-0000.png", "--out", tmp_path / "out", "--bundle", bundle)
    archive(*words)
    with driver_lock(open_place(str(tmp_path / "out"))):
        result = archive(*words)
    assert result.exit_code == 1
    assert f"process {os.getpid()} on" in result.stderr
    assert archive(*words).exit_code == 0


def test_a_second_driver_of_an_object_store_is_refused() -> None:
    results = open_place("memory://locked")
    with driver_lock(results) as lease:
        assert lease is not None
        lease.check()
        with pytest.raises(AlledgeError, match=f"process {os.getpid()}"), driver_lock(results):
            pass
    with driver_lock(results):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the size of a file")
def test_a_disk_without_space_is_one_error_and_the_command_goes_on(
    tmp_path: Path, fields: Path, bundle: Path
) -> None:
    words = ["archive", fields, "--out", tmp_path / "out", "--bundle", bundle]
    command = [sys.executable, "-c", LIMITED, "4000", *map(str, words)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert "cannot be written: File too large" in done.stderr
    assert "the same command then goes on" in done.stderr
    assert not list((tmp_path / "out").rglob("*part-*"))
    assert archive(*words[1:]).exit_code == 0
    assert is_complete(tmp_path / "out")


def test_a_share_that_goes_away_is_no_error_of_its_fields(tmp_path: Path) -> None:
    write_fields(tmp_path / "share", 1)
    share = LocalFolder(str(tmp_path / "share"), LeftOut())
    share.check()
    shutil.rmtree(tmp_path / "share")
    with pytest.raises(AlledgeError, match="share cannot be read"):
        share.check()


def test_thousands_of_missing_fields_are_rows(tmp_path: Path, bundle: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    lines = "".join(f"missing/{number}.png\n" for number in range(3000))
    manifest.write_text("path\n" + lines, encoding="utf-8")
    result = archive(manifest, "--out", tmp_path / "out", "--bundle", bundle)
    assert "3000 fields written, 3000 of them errors" in result.stdout, result.output


class Refusing(http.server.BaseHTTPRequestHandler):
    """An object store that refuses everybody, and repeats what it was given."""

    def do_GET(self) -> None:
        body = (
            b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied, "
            b"key=AKIAEXAMPLE</Message></Error>"
        )
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_PUT = do_GET

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def refusing_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
        yield
        server.shutdown()


@pytest.mark.usefixtures("refusing_store")
def test_refused_credentials_are_one_error_that_says_what_to_type(
    tmp_path: Path, bundle: Path
) -> None:
    result = archive("s3://fields/2024", "--out", tmp_path / "out", "--bundle", bundle)
    assert result.exit_code == 1
    assert "s3://fields refuses these credentials" in result.stderr
    assert "AWS_ACCESS_KEY_ID" in result.stderr
    assert not re.search("hidden|AKIAEXAMPLE", result.output)
