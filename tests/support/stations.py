"""Servers for tests: real processes of ``alledge serve`` on the loopback address."""

from __future__ import annotations

import http.client
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

TIMEOUT_S = 60
TOKEN = "a-token-of-the-tests-1234"


@dataclass(frozen=True)
class Answer:
    """An answer of a server."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    """A process of ``alledge serve``."""

    process: subprocess.Popen[str]
    host: str
    port: int
    home: Path

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send a request; the headers replace the usual ones, None leaves one out."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, names, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def post_json(self, path: str, document: Any, **headers: str) -> Answer:
        own = {"content-type": "application/json", **headers}
        return self.ask("POST", path, json.dumps(document), own)


@contextmanager
def serving(home: Path, bundle: Path, *options: str) -> Iterator[Server]:
    command = [
        sys.executable, "-m", "alledge", "serve", "--home", str(home), "--bundle", str(bundle),
        "--port", "0", "--backend", "onnx", "--settle", "0.1", "--interval", "0.05", *options,
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline()
        if not address:
            pytest.fail(process.communicate()[1])
        host, _, port = address.removeprefix("http://").strip("/\n").rpartition(":")
        yield Server(process, host.strip("[]"), int(port), home)
    finally:
        process.kill()
        process.communicate()


def png(seed: int, size: tuple[int, int] = (160, 120)) -> bytes:
    """Return the content of an image file that depends on the seed."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    stream = io.BytesIO()
    small.resize(size, Image.Resampling.BICUBIC).save(stream, "PNG")
    return stream.getvalue()


def form(
    content: bytes, field: str = "image", name: str = "slide.png"
) -> tuple[bytes, dict[str, str]]:
    """Return a multipart body with one file, and its header."""
    head = f'--x\r\ncontent-disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + b"\r\n--x--\r\n"
    return body, {"content-type": "multipart/form-data; boundary=x"}
