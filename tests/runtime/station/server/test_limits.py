"""The limits of the server: slow bodies, a full queue, idle connections, the address."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
import uvicorn
from click.testing import CliRunner
from starlette.requests import Request

from alledge.cli import main
from alledge.errors import MissingPackageError, UsageError
from alledge.runtime.classifier import Classifier
from alledge.runtime.station.history.store import History
from alledge.runtime.station.model import StationModel
from alledge.runtime.station.server import protocol, run_serve, uploads
from alledge.runtime.station.server.access import access_rules, host_of
from alledge.runtime.station.server.access_options import check_access
from alledge.runtime.station.server.classify_queue import (
    MOST_WAITING,
    ClassifyQueue,
    QueueFullError,
)
from alledge.runtime.station.server.protocol import LimitedProtocol, StationServer
from alledge.runtime.station.server.uploads import Upload, UploadError, UploadReader, base_name
from support.stations import TOKEN, form, png


def request_of(chunks: list[bytes], headers: dict[str, str], last: bool = True) -> Request:
    """Return a request whose body comes in chunks; without a last one, the rest never comes."""
    messages: Iterator[dict[str, Any]] = iter(
        {"type": "http.request", "body": chunk, "more_body": not last or i < len(chunks) - 1}
        for i, chunk in enumerate(chunks)
    )

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        await anyio.sleep_forever()
        raise AssertionError

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": raw}, receive)


def read(reader: UploadReader, request: Request) -> Upload:
    return anyio.run(reader.read, request)


@pytest.mark.parametrize("limit", ["IDLE_TIMEOUT_S", "BODY_TIMEOUT_S"])
def test_a_body_that_stops_is_refused(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, limit, 0.05)
    reader = UploadReader(1)
    body, headers = form(png(1))
    for request in (
        request_of([b"a"], {}, last=False),
        request_of([body[:50]], headers, last=False),
    ):
        with pytest.raises(UploadError) as caught:
            read(reader, request)
        assert caught.value.status == 408
    assert read(reader, request_of([b"a", b"b"], {})).content == b"ab"


def test_a_body_is_counted_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    mib = bytes(1 << 20)
    with pytest.raises(UploadError) as caught:
        read(UploadReader(1), request_of([mib, b"x"], {}))
    assert caught.value.status == 413
    body, headers = form(mib + b"x")
    with pytest.raises(UploadError) as caught:
        read(UploadReader(1), request_of([body], headers))
    assert caught.value.status == 413
    monkeypatch.setattr(uploads, "MEMORY_MIB", 2)
    reader = UploadReader(2)
    first = read(reader, request_of([mib, mib], {}))
    with pytest.raises(UploadError) as caught:
        read(reader, request_of([b"x"], {}))
    assert caught.value.status == 429
    reader.release(first)
    assert read(reader, request_of([b"x"], {})).content == b"x"
    monkeypatch.setattr(uploads, "MOST_UPLOADS", 0)
    with pytest.raises(UploadError) as caught:
        read(reader, request_of([b"x"], {}))
    assert caught.value.status == 429


@pytest.mark.parametrize(
    ("given", "name"),
    [("a.jpg", "a.jpg"), ("C:\\x\\b.jpg", "b.jpg"), ("../../etc/passwd", "passwd"), ("..", None),
     ("/", None), ("x" * 400, "x" * 255)],
)  # fmt: skip
def test_a_name_of_a_client_loses_its_folders(given: str, name: str | None) -> None:
    assert base_name(given) == name


def test_a_full_queue_says_when_to_come_again(home: Path, bundle: Path) -> None:
    with (
        History(home) as history,
        Classifier.load(bundle, "onnx", 1, "throughput", previews=True) as classifier,
    ):
        may_go = threading.Event()
        classify = classifier.classify

        def wait_and_classify(source: Any) -> Any:
            may_go.wait(60)
            return classify(source)

        classifier.classify = wait_and_classify  # type: ignore[method-assign,assignment]
        model = StationModel(lambda site: classifier, None, home, lambda text: None)
        queue = ClassifyQueue(model, history, 1, 100.0)
        futures = [queue.submit(Upload(png(i), None)) for i in range(1 + MOST_WAITING)]
        with pytest.raises(QueueFullError) as caught:
            queue.submit(Upload(png(99), None))
        assert caught.value.retry_after_s >= 1
        assert queue.refused == 1
        may_go.set()
        numbers = [future.result(60).number for future in futures]
        assert numbers == list(range(1, 2 + MOST_WAITING))
        queue.submit(Upload(png(99), None)).result(60)
        queue.close()
        assert queue.waiting == 0


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.fixture
def small_server() -> Iterator[int]:
    """A server with the limited protocol in a thread; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(hello, http=LimitedProtocol, ws="none", lifespan="off", log_config=None)
    server = StationServer(config, lambda: None)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(30)


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nhost: x\r\n"])
def test_a_connection_without_a_whole_header_is_closed(
    small_server: int, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEADER_TIMEOUT_S", 0.1)
    with socket.create_connection(("127.0.0.1", small_server), timeout=30) as connection:
        connection.sendall(sent)
        assert is_closed(connection)


def test_the_header_after_an_answer_has_a_limit_too(
    small_server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_connection(("127.0.0.1", small_server), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        monkeypatch.setattr(protocol, "HEADER_TIMEOUT_S", 0.1)
        connection.sendall(b"GET / HT")
        while data := receive(connection):
            assert b"200" not in data


def test_one_connection_too_many_takes_the_place_of_an_idle_one(
    small_server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MOST_CONNECTIONS", 1)
    with socket.create_connection(("127.0.0.1", small_server), timeout=30) as first:
        first.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert first.recv(4096).startswith(b"HTTP/1.1 200")
        with socket.create_connection(("127.0.0.1", small_server), timeout=30) as second:
            second.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            assert second.recv(4096).startswith(b"HTTP/1.1 200")
        while receive(first):  # the rest of its answer
            pass


def receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(4096)
    except ConnectionError:
        return b""


def is_closed(connection: socket.socket) -> bool:
    return receive(connection) == b""


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "station.example"])
def test_an_address_that_others_reach_needs_a_token(host: str) -> None:
    with pytest.raises(UsageError, match="a token is needed"):
        check_access(host, None)
    check_access(host, TOKEN)
    for token in ("short", "é" * 30):
        with pytest.raises(UsageError, match="token"):
            check_access(host, token)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_a_loopback_address_needs_none(host: str) -> None:
    check_access(host, None)


def test_a_server_for_others_is_called_by_its_names_and_addresses() -> None:
    rules = access_rules("0.0.0.0", TOKEN, ["Station.Example."])
    for host in (
        "station.example:80",
        "10.1.2.3",
        "[fe80::1]:1",
        "localhost",
        socket.gethostname(),
    ):
        assert rules.allows_host(host)
    for name in ("evil.example", "", None, "station.example.evil"):
        assert not rules.allows_host(name)
    assert host_of("[::1]:8080") == "::1"


def test_serve_says_what_is_missing(
    home: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["serve", "--home", str(home), "--bundle", str(bundle), "--port", "0"]
    refused = CliRunner().invoke(main, [*words, "--host", "0.0.0.0"])
    assert refused.exit_code == 2
    assert "ALLEDGE_TOKEN" in refused.stderr
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match="starlette"):
        run_serve.check_packages()
    monkeypatch.undo()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        busy = CliRunner().invoke(main, ["serve", "--home", str(home), "--port", port])
        assert busy.exit_code == 2
        assert "cannot be used" in busy.stderr
