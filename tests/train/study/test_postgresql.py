"""Processes share a study on a real PostgreSQL server, and the trial of a dead one is run again."""

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
import psutil
import pytest

from alledge.runtime.data.datasets import Dataset
from alledge.train.study.trial_queue import open_storage

TRIALS = 12  # the last three learn from the ones before
COMPLETE, RUNNING = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.RUNNING
DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def tool(name: str) -> str | None:
    """Return a program of PostgreSQL's, where Debian keeps it or on the path."""
    return next((str(path / name) for path in reversed(DEBIAN) if (path / name).is_file()), None)


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URL of a server that the test starts in its own folder."""
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
    prepared = subprocess.run(
        [*before, initdb, "-D", data, "-U", "study", "-A", "trust", "-N"],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    if prepared.returncode:
        pytest.skip(f"PostgreSQL cannot create a database here: {prepared.stderr.strip()[-200:]}")
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
        "--weights", "none", "--size", "32", "--splits", "grouped", "--folds", "1", "--trials",
        str(TRIALS), "--passes", "1", "--fine-tune", "none", "--heartbeat", "1", "--cache",
        str(folder / "cache"), "--out", str(folder / out), "--storage", url,
    ]  # fmt: skip


Trials = dict[str, list[optuna.trial.FrozenTrial]]


def trials(storage: optuna.storages.RDBStorage) -> Trials:
    """Return the trials of every Optuna study in a storage."""
    return {
        study.study_name: storage.get_all_trials(study._study_id, deepcopy=False)
        for study in storage.get_all_studies()
    }


def finished(stored: Trials) -> int:
    return sum(trial.state == COMPLETE for some in stored.values() for trial in some)


def start(data: Path, folder: Path, out: str, url: str) -> "subprocess.Popen[bytes]":
    with (folder / f"{out}.log").open("wb") as log:
        return subprocess.Popen(typed(data, folder, out, url), stdout=log, stderr=log)


def kill_at_work(
    process: "subprocess.Popen[bytes]", storage: optuna.storages.RDBStorage
) -> tuple[str, int]:
    """Kill a process during a trial, and return the study and slot of the trial.

    The process is stopped first: otherwise it might finish the trial in the meantime.
    """
    for _ in range(6000):
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.05)
        if finished(trials(storage)) < 2:
            continue
        process.send_signal(signal.SIGSTOP)
        wait_until_idle(process, storage)
        for name, some in trials(storage).items():
            for trial in some:
                if trial.state == RUNNING and "slot" in trial.user_attrs:
                    process.kill()
                    process.wait()
                    return name, trial.user_attrs["slot"]
        process.send_signal(signal.SIGCONT)
    raise AssertionError("no running trial was seen")


def wait_until_idle(
    process: "subprocess.Popen[bytes]", storage: optuna.storages.RDBStorage
) -> None:
    """Wait until a stopped process is stopped, and the server has run what it had sent."""
    from sqlalchemy import text

    active = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)
    busy = True
    while busy:
        with storage.engine.connect() as connection:  # one transaction sees one state only
            busy = bool(connection.execute(active).scalar())


def test_the_trial_of_a_killed_worker_is_run_by_one_of_the_two_that_follow(
    postgresql: str, smears: Dataset, tmp_path: Path
) -> None:
    storage = open_storage(postgresql)
    study, slot = kill_at_work(start(smears.root, tmp_path, "killed", postgresql), storage)
    others = [start(smears.root, tmp_path, out, postgresql) for out in ("one", "two")]
    codes = [process.wait(timeout=300) for process in others]
    logs = [(tmp_path / f"{out}.log").read_text(encoding="utf-8") for out in ("one", "two")]
    assert codes == [0, 0], logs
    stored = trials(storage)
    states = [trial.state for trial in stored[study] if trial.user_attrs.get("slot") == slot]
    assert states[0] == optuna.trial.TrialState.FAIL
    assert states.count(COMPLETE) == 1
    assert not any(trial.state == RUNNING for some in stored.values() for trial in some)
    slots = {
        name: sorted(trial.user_attrs["slot"] for trial in some if trial.state == COMPLETE)
        for name, some in stored.items()
    }
    tuning = [numbers for name, numbers in slots.items() if name.endswith("/tuning")]
    assert tuning == [list(range(TRIALS))]
    assert [numbers for name, numbers in slots.items() if not name.endswith("/tuning")] == [[0]] * 2
    texts = [(tmp_path / out / "study.md").read_text(encoding="utf-8") for out in ("one", "two")]
    tables = [[line for line in text.splitlines() if "(" in line and "|" in line] for text in texts]
    assert tables[0] == tables[1]
