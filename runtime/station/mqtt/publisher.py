"""Publishes new rows of the history to a broker; at least once, after they are on the disk."""

from __future__ import annotations

import contextlib
import json
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....errors import HistoryError, MissingPackageError, UsageError
from ...file_lock import ProcessLock
from ..history.entries import Entry
from ..history.queries import EntryQuery
from ..history.store import History
from ..locks import LOCKS
from .broker import Broker
from .messages import OFFLINE, ONLINE, Topics, discovery_messages, result_message

if TYPE_CHECKING:
    from ...bundle.bundle import Bundle

LOOK_S = 0.5  # between two looks at the history
MOST_UNCONFIRMED = 20  # messages; all others wait in the history
MOST_QUEUED = 5 * MOST_UNCONFIRMED  # in paho, where a broker ends each connection at once
QUEUE_FULL = 15  # MQTT_ERR_QUEUE_SIZE
KEEP_ALIVE_S = 30
SHORTEST_RETRY_S, LONGEST_RETRY_S = 1, 60
CLOSE_S = 2.0  # for the last message
DRAIN_S = 30.0  # for the results of ``watch --once``

Notice = Callable[[str], object]


class Publisher:
    """Follows the history in a thread, and publishes each new result.

    The history is the queue: a row counts as delivered when the broker has confirmed it. What was
    not confirmed when the process ended is published by the next one, so a message may come twice.

    Parameters
    ----------
    broker : Broker
    history : History
        Of its own, because another thread writes.
    bundle : Bundle
    home : Path
        Of the workstation: it has the lock, by which one process at a time publishes.
    notice : callable
        Gets lines for people: a broker that refuses, or cannot be reached.

    Raises
    ------
    MissingPackageError
        If paho-mqtt is not installed.
    UsageError
        If the file of certificates cannot be used.
    """

    def __init__(
        self, broker: Broker, history: History, bundle: Bundle, home: Path, notice: Notice
    ) -> None:
        self._broker, self._history, self._notice = broker, history, notice
        self._receiver = f"mqtt:{broker.identity}"
        self._lock = ProcessLock(home / LOCKS / f"mqtt-{broker.identity}.lock")
        self._topics = Topics(broker.topic or f"alledge/{history.station}")
        self._discovery = discovery_messages(history.station, self._topics, bundle)
        self._last_notice = ""
        self._connected, self._stop = threading.Event(), threading.Event()
        self._confirmed: set[int] = set()  # numbers of messages
        self._change = threading.Condition()
        self._delivered = history.delivered(self._receiver)
        self._client = self._new_client()
        self._thread = threading.Thread(target=self._run, name="alledge-mqtt", daemon=True)

    def start(self) -> None:
        """Begin to publish; a broker that is not there is tried again."""
        self._thread.start()

    def drain(self, seconds: float) -> int:
        """Wait until all rows are confirmed, but not longer than `seconds`.

        Returns
        -------
        int
            Number of results that wait for the next start; counted up to `MOST_UNCONFIRMED`.
        """
        end_s = time.monotonic() + seconds
        while (waiting := len(self._waiting())) and time.monotonic() < end_s:
            time.sleep(0.05)
        return waiting

    def close(self) -> None:
        """Say ``offline``, and end the connection."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._connected.is_set():
            self._publish([(self._topics.status, OFFLINE)], CLOSE_S)
        self._client.disconnect()
        self._client.loop_stop()
        self._lock.release()

    def _new_client(self) -> Any:
        try:
            from paho.mqtt.client import CallbackAPIVersion, Client
        except ImportError:
            raise MissingPackageError("paho-mqtt", "mqtt", "publishing results") from None
        broker = self._broker
        client = Client(CallbackAPIVersion.VERSION2, f"alledge-{self._history.station}")
        if broker.user is not None:
            client.username_pw_set(broker.user, broker.password)
        if broker.is_encrypted:
            try:
                client.tls_set(None if broker.ca_file is None else str(broker.ca_file))
            except OSError as error:
                raise UsageError(
                    f"the certificates of {broker.ca_file} cannot be used: {error}",
                    fix="--mqtt-ca FILE, in PEM",
                ) from None
        client.will_set(self._topics.status, OFFLINE, qos=1, retain=True)
        client.max_queued_messages_set(MOST_QUEUED)
        client.reconnect_delay_set(SHORTEST_RETRY_S, LONGEST_RETRY_S)
        client.on_connect, client.on_connect_fail = self._on_connect, self._on_connect_fail
        client.on_disconnect, client.on_publish = self._on_disconnect, self._on_publish
        return client

    def _run(self) -> None:
        while not self._lock.acquire():  # a second `watch` or `serve` of the same workstation
            self._say("another process publishes to")
            if self._stop.wait(LOOK_S):
                return
        self._client.connect_async(self._broker.host, self._broker.port, KEEP_ALIVE_S)
        self._client.loop_start()
        while not self._stop.is_set():
            try:
                if self._connected.wait(LOOK_S) and not self._publish_new():
                    self._stop.wait(LOOK_S)
            except HistoryError as error:  # a full disk: rows are published when it has space
                self._say("nothing is published to", error.one_line)
                self._stop.wait(LOOK_S)

    def _waiting(self) -> list[Entry]:
        return self._history.entries(
            EntryQuery(
                after=self._delivered, foreign=False, newest_first=False, limit=MOST_UNCONFIRMED
            )
        )

    def _publish_new(self) -> bool:
        """Publish the next rows, and return whether there were any and all are confirmed."""
        entries = self._waiting()
        messages = [(self._topics.result, json.dumps(result_message(row))) for row in entries]
        if not entries or not self._publish(messages):
            return False
        self._history.set_delivered(self._receiver, entries[-1].number)
        self._delivered = entries[-1].number
        return True

    def _publish(self, messages: Sequence[tuple[str, str]], seconds: float | None = None) -> bool:
        """Publish retained messages; return whether all were confirmed before `close` or a time.

        After a lost connection, paho sends what was not confirmed again.
        """
        with self._change:
            self._confirmed.clear()
        sent = [self._client.publish(topic, text, qos=1, retain=True) for topic, text in messages]
        if any(message.rc == QUEUE_FULL for message in sent):
            return False
        numbers = {message.mid for message in sent}
        end_s = None if seconds is None else time.monotonic() + seconds
        with self._change:
            while not numbers <= self._confirmed:
                is_over = self._stop.is_set() if end_s is None else time.monotonic() >= end_s
                if is_over:
                    return False
                self._change.wait(0.1)
        return True

    def _say(self, what: str, why: str = "") -> None:
        line = f"MQTT: {what} {self._broker.name}{why and f': {why}'}"
        if line != self._last_notice:
            self._last_notice = line
            self._notice(line)

    # Called by the thread of paho.

    def _on_connect(self, client: Any, _: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self._say("the connection is refused by", f"{reason}; trying again")
            return
        self._say("connected with")
        client.publish(self._topics.status, ONLINE, qos=1, retain=True)
        for topic, configuration in self._discovery.items():
            client.publish(topic, json.dumps(configuration), qos=1, retain=True)
        self._connected.set()

    def _on_connect_fail(self, client: Any, _: Any) -> None:
        error = sys.exc_info()[1]
        reason = str(error or "unknown")
        if isinstance(error, ssl.SSLCertVerificationError):
            fix = "--mqtt-ca FILE, with the certificate of its authority"
            reason = f"its certificate is not trusted ({error.verify_message}); fix: {fix}"
        self._say("no connection with", f"{reason}; trying again")

    def _on_disconnect(self, client: Any, _: Any, flags: Any, reason: Any, properties: Any) -> None:
        was_connected = self._connected.is_set()
        self._connected.clear()
        if was_connected and not self._stop.is_set():
            self._say("the connection is lost with", f"{reason}; trying again")

    def _on_publish(self, client: Any, _: Any, number: int, reason: Any, properties: Any) -> None:
        with self._change:
            self._confirmed.add(number)
            self._change.notify_all()


@contextlib.contextmanager
def publishing(
    broker: Broker | None, bundle: Bundle, home: Path, notice: Notice
) -> Iterator[Publisher | None]:
    """Publish the results of a workstation during the body of the ``with``.

    Parameters
    ----------
    broker : Broker or None
        None: nothing is published.
    bundle, home, notice
        As `Publisher`.
    """
    if broker is None:
        yield None
        return
    with History(home) as history:
        publisher = Publisher(broker, history, bundle, home, notice)
        publisher.start()
        try:
            yield publisher
        finally:
            publisher.close()


def drain_all(publisher: Publisher, notice: Notice) -> None:
    """Wait for the broker at the end of ``watch --once``, and say what it did not confirm."""
    if publisher.drain(DRAIN_S):
        notice("MQTT: some results are not confirmed; the next start publishes them")
