"""Load on ``alledge serve``: clients that classify, and requests that misuse it.

``python -m alledge.benchmarks.internal.station.load clients BUNDLE --clients 32 --seconds 60``.
The clients run in this process. On a machine with few cores they take time from the server, so
each figure is an upper limit.
"""

from __future__ import annotations

import asyncio
import json
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import psutil

from .processes import Place, picture, serving

HEALTH_S = 0.05  # between two requests of the one that watches
SIZE = (640, 480)
BLOCK = 1 << 20


@dataclass
class Answers:
    """What a server answered.

    Parameters
    ----------
    statuses : Counter of int
        0: the connection was closed without an answer.
    seconds : list of float
        Of the answers with status 200.
    health_s : list of float
        Of ``/v1/health``.
    health_failures : int
        Requests to it that got another answer, or none.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    health_s: list[float] = field(default_factory=list)
    health_failures: int = 0


async def ask(port: int, head: bytes, body: bytes = b"") -> tuple[int, float]:
    """Send a request over a new connection; return status and seconds."""
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head + body)
        await writer.drain()
        answer = await reader.read()
    except (ConnectionError, OSError):
        answer = b""
    finally:
        writer.close()
    status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0
    return status, time.perf_counter() - started


def head_of(method: str, path: str, length: int = 0) -> bytes:
    """Return the header of a request that ends its connection."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"]
    if length:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


async def watch_health(port: int, answers: Answers, end_s: float) -> None:
    """Ask ``/v1/health`` again and again."""
    while time.monotonic() < end_s:
        status, seconds = await ask(port, head_of("GET", "/v1/health"))
        if status == 200:
            answers.health_s.append(seconds)
        else:
            answers.health_failures += 1
        await asyncio.sleep(HEALTH_S)


async def classify_again(
    port: int, answers: Answers, end_s: float, bodies: Iterator[bytes]
) -> None:
    """Send one picture after the other; wait a little where the queue is full."""
    while time.monotonic() < end_s:
        body = next(bodies)
        status, seconds = await ask(port, head_of("POST", "/v1/classify", len(body)), body)
        answers.statuses[status] += 1
        if status == 200:
            answers.seconds.append(seconds)
        elif status == 429:
            await asyncio.sleep(1.0)


async def run_clients(port: int, clients: int, seconds: float, bodies: list[bytes]) -> Answers:
    """Have clients classify for some seconds."""
    answers, end_s = Answers(), time.monotonic() + seconds
    source = iter(bodies)
    tasks: list[Coroutine[Any, Any, None]] = [watch_health(port, answers, end_s)]
    tasks += [classify_again(port, answers, end_s, source) for _ in range(clients)]
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, BaseException) and not isinstance(result, RuntimeError):
            raise result  # RuntimeError: the pictures are used up
    return answers


async def idle(port: int, count: int, seconds: float) -> Answers:
    """Hold connections that send nothing, and ask ``/v1/health`` beside them."""
    answers, held = Answers(), []
    for _ in range(count):
        try:
            held.append(await asyncio.open_connection("127.0.0.1", port))
        except OSError:
            answers.statuses[0] += 1
    await watch_health(port, answers, time.monotonic() + seconds)
    answers.statuses[len(held)] += 1
    for _, writer in held:
        writer.close()
    return answers


async def slow_body(port: int, seconds: float) -> tuple[int, float]:
    """Send a body at one byte a second; return status and seconds until the answer."""
    started = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head_of("POST", "/v1/classify", 100_000))
    answer = asyncio.ensure_future(reader.read())
    while not answer.done() and time.perf_counter() - started < seconds:
        try:
            writer.write(b"x")
            await writer.drain()
        except ConnectionError:
            break
        await asyncio.wait([answer], timeout=1.0)
    text = b"" if not answer.done() else answer.result()
    writer.close()
    status = int(text.split(b" ", 2)[1]) if text.startswith(b"HTTP/") else 0
    return status, time.perf_counter() - started


async def huge_body(port: int, size: int) -> tuple[int, int]:
    """Send a large body without naming its length; return status and the bytes that were sent.

    The answer comes while the body is still sent, so it may be lost with the connection: status 0.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = head_of("POST", "/v1/classify")[:-2] + b"Transfer-Encoding: chunked\r\n\r\n"
    writer.write(head)
    answer, sent, block = asyncio.ensure_future(reader.read()), 0, bytes(BLOCK)
    try:
        while sent < size and not answer.done():
            writer.write(f"{BLOCK:x}\r\n".encode("ascii") + block + b"\r\n")
            await writer.drain()
            sent += BLOCK
    except ConnectionError:
        pass
    try:
        text = await asyncio.wait_for(answer, 30)
    except (ConnectionError, asyncio.TimeoutError):
        text = b""
    writer.close()
    return int(text.split(b" ", 2)[1]) if text.startswith(b"HTTP/") else 0, sent


def milliseconds(seconds: list[float]) -> dict[str, float | None]:
    """Return p50, p95, p99 and the maximum."""
    if not seconds:
        return dict.fromkeys(("p50", "p95", "p99", "max"))
    values = np.percentile(np.asarray(seconds) * 1000, [50, 95, 99, 100])
    return dict(zip(("p50", "p95", "p99", "max"), np.round(values, 1).tolist(), strict=True))


@contextmanager
def server(bundle: Path, *options: str) -> Iterator[tuple[psutil.Process, int]]:
    """Serve a bundle from new folders."""
    with tempfile.TemporaryDirectory(prefix="alledge-load-") as folder:
        place = Place.below(Path(folder), bundle)
        with serving(place, *options) as (process, _, port):
            yield psutil.Process(process.pid), port


def mib(process: psutil.Process) -> float:
    """Return the memory of a process."""
    return round(float(process.memory_info().rss) / 2**20, 1)


@click.group()
def main() -> None:
    """Load ``alledge serve``, and misuse it."""


@main.command()
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@click.option("--clients", type=click.IntRange(1, 1000), default=32, show_default=True)
@click.option("--seconds", type=click.FloatRange(0.5, 3600), default=60.0, show_default=True)
@click.option("--threads", type=click.IntRange(1, 64), default=None)
def clients(bundle: Path, clients: int, seconds: float, threads: int | None) -> None:
    """Print throughput and percentiles with many clients."""
    count = max(100, round(60 * seconds))
    bodies = [picture(seed, SIZE, "JPEG") for seed in range(count)]
    options = [] if threads is None else ["--threads", str(threads)]
    with server(bundle, *options) as (process, port):
        asyncio.run(run_clients(port, 1, 1.0, bodies[:5]))
        before = mib(process)
        answers = asyncio.run(run_clients(port, clients, seconds, bodies[5:]))
        row = {
            "clients": clients, "seconds": seconds, "pictures": f"{SIZE[0]}x{SIZE[1]} JPEG",
            "answers_per_second": round(len(answers.seconds) / seconds, 1),
            "statuses": dict(answers.statuses), "classify_ms": milliseconds(answers.seconds),
            "health_ms": milliseconds(answers.health_s),
            "health_failures": answers.health_failures, "memory_mib": [before, mib(process)],
            "handles": process.num_fds() if hasattr(process, "num_fds") else None,
        }  # fmt: skip
        click.echo(json.dumps(row))


@main.command()
@click.argument("bundle", type=click.Path(path_type=Path, exists=True))
@click.option("--idle", "connections", type=click.IntRange(1), default=10_000, show_default=True)
@click.option("--slow-seconds", type=click.FloatRange(1, 600), default=90.0, show_default=True)
@click.option("--huge-mib", type=click.IntRange(1, 10_000), default=1024, show_default=True)
def misuse(bundle: Path, connections: int, slow_seconds: float, huge_mib: int) -> None:
    """Print what idle connections, a slow body and a huge one do to the server."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most[1], most[1]))
    with server(bundle) as (process, port):
        before = mib(process)
        held = asyncio.run(idle(port, connections, 5.0))
        after_idle = mib(process)
        slow_status, slow_s = asyncio.run(slow_body(port, slow_seconds))
        huge_status, sent = asyncio.run(huge_body(port, huge_mib * BLOCK))
        row = {
            "idle_connections": connections, "refused": held.statuses[0],
            "health_ms_beside_idle": milliseconds(held.health_s),
            "health_failures_beside_idle": held.health_failures,
            "memory_mib": {"before": before, "idle": after_idle, "end": mib(process)},
            "slow_body": {"status": slow_status, "seconds": round(slow_s, 1)},
            "huge_body": {"status": huge_status, "sent_mib": sent // BLOCK, "of_mib": huge_mib},
            "alive": process.is_running(),
        }  # fmt: skip
        click.echo(json.dumps(row))


if __name__ == "__main__":
    main()
