"""Classifies an archive on two Ray nodes, each in a network namespace, and kills one of them.

``python -m alledge.benchmarks.internal.archive.namespaces BUNDLE FOLDER`` prints a line for the
rate beside ``alledge classify`` on the same files, and one for the killed node, where lost and
double fields have to be 0. The two namespaces share the disk and have addresses of their own and
a bridge between them, as two machines with one share have. Linux with ``ip`` (iproute2), as root.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import click

from .faults import count_parts, wait_for
from .processes import archive_command, audit, pictures, start, timed
from .rate import seconds_of_classify

BRIDGE = "alledge-bridge"
NODES = {"alledge-head": "10.77.0.2", "alledge-node": "10.77.0.3"}
HEAD, NODE = NODES
PORT = 6379
STARTED_S = 60.0
RAY = (sys.executable, "-m", "ray.scripts.scripts")
TOKEN = {"RAY_AUTH_MODE": "token"}  # `ray start --head` makes one in the home of the user


def ip(*words: str) -> None:
    """Run ``ip``."""
    subprocess.run(["ip", *words], check=True)


@contextmanager
def namespaces() -> Iterator[None]:
    """Make a bridge and a namespace for each node, and remove them again."""
    with ExitStack() as undo:
        ip("link", "add", BRIDGE, "type", "bridge")
        undo.callback(ip, "link", "del", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for number, (name, address) in enumerate(NODES.items()):
            inside, outside = f"alledge-in{number}", f"alledge-out{number}"
            ip("netns", "add", name)
            undo.callback(ip, "netns", "del", name)
            ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
            ip("link", "set", outside, "master", BRIDGE, "up")
            ip("-n", name, "addr", "add", f"{address}/24", "dev", inside)
            ip("-n", name, "link", "set", inside, "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield


def kill_all(name: str) -> None:
    """Kill every process of a namespace, as when its machine loses power."""
    found = subprocess.run(
        ["ip", "netns", "pids", name], capture_output=True, encoding="ascii", check=True
    )
    for number in found.stdout.split():
        with suppress(ProcessLookupError):
            os.kill(int(number), signal.SIGKILL)


@contextmanager
def ray_nodes() -> Iterator[list[subprocess.Popen[str]]]:
    """Begin a Ray node of one CPU in each namespace."""
    nodes: list[subprocess.Popen[str]] = []
    with ExitStack() as undo:
        for name, address in NODES.items():
            role = [f"--address={NODES[HEAD]}:{PORT}"]
            if name == HEAD:
                folder = undo.enter_context(tempfile.TemporaryDirectory(prefix=f"{name}-"))
                role = ["--head", f"--port={PORT}", "--include-dashboard=false"]
                role.append(f"--temp-dir={folder}")
            undo.callback(kill_all, name)
            command = [
                *RAY, "start", *role, "--block", "--num-cpus=1", f"--node-ip-address={address}",
                f"--object-store-memory={256 << 20}", "--disable-usage-stats",
            ]  # fmt: skip
            nodes.append(start(["ip", "netns", "exec", name, *command]))
            wait_for_node(len(nodes))
        yield nodes


def wait_for_node(count: int) -> None:
    """Wait until the cluster has a number of nodes."""
    deadline = time.monotonic() + STARTED_S
    command = ["ip", "netns", "exec", HEAD, *RAY, "status", f"--address={NODES[HEAD]}:{PORT}"]
    while time.monotonic() < deadline:
        answer = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
        if answer.stdout.count(" node_") == count:
            return
        time.sleep(0.5)
    raise click.ClickException(f"no cluster of {count} nodes after {STARTED_S:g} s")


def command_of(bundle: Path, folder: Path, out: str) -> list[str]:
    """Return the command line of ``alledge archive`` in the namespace of the head."""
    words = ["--bundle", str(bundle), "--part-rows", "256", "--ray", f"{NODES[HEAD]}:{PORT}"]
    return ["ip", "netns", "exec", HEAD, *archive_command(str(folder), out, *words)]


def kill_node(bundle: Path, folder: Path, out: str) -> int:
    """Kill the second node after the first part; return the exit code of the command."""
    process = start(command_of(bundle, folder, out))
    if wait_for(lambda: count_parts(out) > 0, process):
        kill_all(NODE)
    process.communicate()
    return process.returncode


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
def main(bundle: Path, folder: Path) -> None:
    """Print a line for the rate of both nodes, and one for a node that is killed."""
    os.environ.update(TOKEN)
    files = pictures(folder)
    with tempfile.TemporaryDirectory(prefix="alledge-namespaces-") as place, namespaces():
        one = Path(place, "one")
        one.mkdir()
        (one / files[0].name).write_bytes(files[0].read_bytes())
        classify = [seconds_of_classify(bundle, where, 2) for where in (one, folder)]
        peaks: dict[str, float] = {}
        with ray_nodes() as nodes:
            first = timed(command_of(bundle, one, f"{place}/first"), peaks, *nodes)
            whole = timed(command_of(bundle, folder, f"{place}/whole"), peaks, *nodes)
        row = {
            "nodes": 2, "classify_s": round(classify[1], 1), "archive_s": round(whole, 1),
            "start_s": {"classify": round(classify[0], 1), "archive": round(first, 1)},
            "rate_of_archive": round(classify[1] / whole, 3),
            "rate_without_start": round((classify[1] - classify[0]) / (whole - first), 3),
            "peak_uss_mib": peaks, **audit(f"{place}/whole", len(files)),
        }  # fmt: skip
        click.echo(json.dumps(row))
        with ray_nodes():
            code = kill_node(bundle, folder, f"{place}/killed")
        row = {"fault": "Ray node killed", "exit_code": code}
        click.echo(json.dumps({**row, **audit(f"{place}/killed", len(files))}))


if __name__ == "__main__":
    main()
