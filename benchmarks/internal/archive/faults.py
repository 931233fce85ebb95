"""Ends workers and drivers, and cuts off an object store, while an archive is classified.

``python -m alledge.benchmarks.internal.archive.faults BUNDLE FOLDER`` prints a line for each fault:
lost and double fields have to be 0. ``--moto FILE`` names the program ``moto_server``, which is
installed apart (``pip install "moto[server]"``), because its requirements do not fit those of
alledge; without it, the object store is left out.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import psutil

from .processes import archive_command, audit, pictures, start

CUT_S = 20.0
WAIT_S = 600.0


def count_parts(out: str) -> int:
    """Return the number of parts of local results."""
    return len(list(Path(out).glob("model=*/part-*.parquet")))


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> bool:
    """Wait until something is true; return False if the process ended before."""
    while process.poll() is None:
        if condition():
            return True
        time.sleep(0.02)
    return False


def kill_driver(command: list[str], out: str, kills: int) -> int:
    """Kill the command several times, each time after it has written a part; then finish it."""
    done = 0
    while True:
        process = start(command)
        before = count_parts(out)
        if done < kills and wait_for(lambda: count_parts(out) > before, process):  # noqa: B023
            process.kill()
            done += 1
        process.communicate()
        if process.returncode == 0:
            return done


def kill_worker(command: list[str]) -> int:
    """Kill a Ray worker while it classifies; return the exit code of the command."""
    process = start([*command, "--ray", "local", "--threads", "2"])

    def workers() -> list[psutil.Process]:
        return [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if "ray::FieldWorker.classify" in " ".join(child.cmdline()[:1])
        ]

    if wait_for(workers, process):
        workers()[0].kill()
    process.communicate()
    return process.returncode


@contextmanager
def object_store(moto: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Serve the pictures of a folder as the bucket ``fields``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [moto, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.environ.update(
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
    )
    try:
        from pyarrow import fs

        while not _answers(port):
            time.sleep(0.1)
        store = fs.S3FileSystem(
            endpoint_override=f"127.0.0.1:{port}", scheme="http", region="us-east-1",
            allow_bucket_creation=True,
        )  # fmt: skip
        store.create_dir("fields")
        store.create_dir("results")
        for path in pictures(folder):
            with store.open_output_stream(f"fields/2024/{path.name}") as stream:
                stream.write(path.read_bytes())
        yield server
    finally:
        server.kill()
        server.wait()


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def cut_off(bundle: Path, server: subprocess.Popen[bytes], after_s: float) -> int:
    """Stop the object store for a while; return the exit code of the command."""
    process = start(
        archive_command("s3://fields/2024", "s3://results/out", "--bundle", str(bundle))
    )
    time.sleep(after_s)
    server.send_signal(signal.SIGSTOP)
    time.sleep(CUT_S)
    server.send_signal(signal.SIGCONT)
    _, error = process.communicate(timeout=WAIT_S)
    if process.returncode:
        click.echo(error, err=True)
    return process.returncode


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--kills", type=click.IntRange(1), default=5, show_default=True)
@click.option("--moto", type=click.Path(path_type=Path, exists=True))
@click.option("--cut-after", type=click.FloatRange(0), default=10.0, show_default=True)
def main(bundle: Path, folder: Path, kills: int, moto: Path | None, cut_after: float) -> None:
    """Print a line for each fault."""
    count = len(pictures(folder))
    words = ("--bundle", str(bundle), "--part-rows", "64")
    with tempfile.TemporaryDirectory(prefix="alledge-faults-") as place:
        out = f"{place}/driver"
        done = kill_driver(archive_command(str(folder), out, *words), out, kills)
        click.echo(json.dumps({"fault": f"driver killed {done} times", **audit(out, count)}))
        out = f"{place}/worker"
        code = kill_worker(archive_command(str(folder), out, *words))
        row = {"fault": "Ray worker killed", "exit_code": code, **audit(out, count)}
        click.echo(json.dumps(row))
    if moto is not None:
        with object_store(moto, folder) as server:
            code = cut_off(bundle, server, cut_after)
            row = {"fault": f"store cut off for {CUT_S:g} s", "exit_code": code}
            click.echo(json.dumps({**row, **audit("s3://results/out", count)}))


if __name__ == "__main__":
    main()
