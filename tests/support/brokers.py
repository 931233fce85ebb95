"""Brokers for tests: real processes of Mosquitto, and a client that collects messages."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin") or ""
TIMEOUT_S = 60


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def mosquitto(folder: Path, port: int, *lines: str) -> Iterator[subprocess.Popen[str]]:
    """Run a broker that anybody may use, unless the lines of its configuration say otherwise."""
    if not MOSQUITTO:
        pytest.skip("Mosquitto is not installed (Debian: apt-get install mosquitto)")
    listener = [f"listener {port} 127.0.0.1"]
    if not any("allow_anonymous" in line for line in lines):
        listener.append("allow_anonymous true")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        listener.append("user root")  # else it could not read the files of the test
    (folder / "mosquitto.conf").write_text("\n".join([*listener, *lines]) + "\n", encoding="utf-8")
    process = subprocess.Popen(
        [MOSQUITTO, "-c", str(folder / "mosquitto.conf")],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    try:
        wait_until(lambda: process.poll() is not None or is_open(port))
        assert process.poll() is None, process.stderr and process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()


def is_open(port: int) -> bool:
    """Return whether somebody listens on a port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + 2 * TIMEOUT_S
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@dataclass
class Subscriber:
    """Collects the messages of a broker: topic and text of each."""

    client: Any
    messages: list[tuple[str, str]] = field(default_factory=list)

    def texts(self, topic: str) -> list[str]:
        """Return the messages of the topics that end so."""
        return [text for name, text in list(self.messages) if name.endswith(topic)]


@contextmanager
def subscribed(port: int) -> Iterator[Subscriber]:
    """Receive all messages of a broker, those that it retained included."""
    paho = pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed")
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    subscriber = Subscriber(client)
    client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
    client.on_message = lambda client, _, message: subscriber.messages.append(
        (message.topic, message.payload.decode())
    )
    client.reconnect_delay_set(1, 1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield subscriber
    finally:
        client.disconnect()
        client.loop_stop()
