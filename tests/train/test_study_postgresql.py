"""Two processes on a real PostgreSQL share one study; a dead one's trial is taken up again."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from alledge.runtime.datasets import Dataset

pytestmark = pytest.mark.slow
DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def tool(name: str) -> str | None:
    """Return a program of PostgreSQL's, where Debian keeps it or on the path."""
    return next((str(path / name) for path in reversed(DEBIAN) if (path / name).is_file()), None)


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URL of a server of our own, in a folder of its own."""
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed")
    initdb, server = tool("initdb") or shutil.which("initdb"), tool("postgres")
    server = server or shutil.which("postgres")
    if not initdb or not server:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    if root and not shutil.which("setpriv"):
        pytest.skip("PostgreSQL refuses to run as root, and setpriv is missing")
    folder = Path(tempfile.mkdtemp(prefix="alledge-postgresql-"))  # pytest's own is root's alone
    before = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if root else []
    if root:
        shutil.chown(folder, "postgres", "postgres")
    data = str(folder / "data")
    subprocess.run(
        [*before, initdb, "-D", data, "-U", "study", "-A", "trust", "-N"],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*before, server, "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)]
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    url = f"postgresql+psycopg2://study@127.0.0.1:{port}/postgres"
    try:
        wait_for(url)
        yield url
    finally:
        running.send_signal(signal.SIGINT)  # "fast": does not wait for clients
        running.wait(timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def wait_for(url: str) -> None:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import OperationalError

    for _ in range(300):
        with contextlib.suppress(OperationalError), create_engine(url).connect():
            return
        time.sleep(0.1)
    raise AssertionError("PostgreSQL did not start")


def typed(data: Path, folder: Path, out: str, url: str) -> list[str]:
    return [
        sys.executable, "-m", "alledge", "study", "--data", str(data), "--models", "vgg16",
        "--weights", "none", "--size", "32", "--splits", "grouped", "--folds", "2", "--trials",
        "8", "--passes", "1", "--fine-tune", "none", "--heartbeat", "1", "--cache",
        str(folder / "cache"), "--out", str(folder / out), "--storage", url,
    ]  # fmt: skip


def states(url: str) -> dict[str, list[optuna.trial.FrozenTrial]]:
    """Return the finished trials of every Optuna study in a storage."""
    names = optuna.get_all_study_names(url)
    return {
        name: [
            trial
            for trial in optuna.load_study(study_name=name, storage=url).get_trials(deepcopy=False)
            if trial.state == optuna.trial.TrialState.COMPLETE
        ]
        for name in names
    }


def test_three_processes_one_of_them_killed_do_every_trial_once(
    postgresql: str, smears: Dataset, tmp_path: Path
) -> None:
    processes = []
    for out in ("killed", "one", "two"):
        with (tmp_path / f"{out}.log").open("wb") as log:
            processes.append(
                subprocess.Popen(typed(smears.root, tmp_path, out, postgresql), stderr=log)
            )
    killed, *others = processes
    for _ in range(3000):
        with contextlib.suppress(Exception):  # the tables may not be there yet
            if sum(map(len, states(postgresql).values())) >= 2:
                break
        time.sleep(0.05)
    killed.kill()
    killed.wait()
    codes = [process.wait(timeout=300) for process in others]
    logs = [(tmp_path / f"{out}.log").read_text(encoding="utf-8") for out in ("one", "two")]
    assert codes == [0, 0], logs
    found = states(postgresql)
    slots = {name: sorted(t.user_attrs["slot"] for t in done) for name, done in found.items()}
    tuning = [numbers for name, numbers in slots.items() if name.endswith("/tuning")]
    assert tuning == [list(range(8))] * 2
    assert [numbers for name, numbers in slots.items() if not name.endswith("/tuning")] == [[0]] * 4
    texts = [(tmp_path / out / "study.md").read_text(encoding="utf-8") for out in ("one", "two")]
    tables = [[line for line in text.splitlines() if "(" in line and "|" in line] for text in texts]
    assert tables[0] == tables[1]
