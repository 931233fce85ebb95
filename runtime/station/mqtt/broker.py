"""The address of an MQTT broker, and its credentials, which are never printed or stored."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from ....errors import UsageError

USER_VARIABLE = "ALLEDGE_MQTT_USER"
PASSWORD_VARIABLE = "ALLEDGE_MQTT_PASSWORD"
PORTS = {"mqtt": 1883, "mqtts": 8883}
FORM = "mqtt://HOST[:PORT][/TOPIC], or mqtts:// for TLS"
LONGEST_TOPIC = 200


@dataclass(frozen=True)
class Broker:
    """An MQTT broker.

    Parameters
    ----------
    host : str
    port : int
    is_encrypted : bool
        Use TLS. The certificate of the broker is always checked.
    ca_file : Path or None
        Certificates to check it with; by default those of the system.
    topic : str or None
        Under which all topics lie; None: ``alledge/`` and the name of the workstation.
    user, password : str or None
    """

    host: str
    port: int
    is_encrypted: bool = False
    ca_file: Path | None = None
    topic: str | None = None
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Host and port, without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def identity(self) -> str:
        """Digest of host, port and topic."""
        text = f"{self.host.lower()}\n{self.port}\n{self.topic or ''}"
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def parse_broker(
    url: str, ca_file: str | Path | None = None, environment: Mapping[str, str] = os.environ
) -> Broker:
    """Return the broker that a URL names.

    Parameters
    ----------
    url : str
        ``mqtt://USER:PASSWORD@HOST:PORT/TOPIC``; everything but the host may be left out.
    ca_file : str or Path, optional
        Certificates in PEM, for a broker with a certificate of its own authority.
    environment : mapping of str to str
        ``ALLEDGE_MQTT_USER`` and ``ALLEDGE_MQTT_PASSWORD`` are used where the URL has none.

    Returns
    -------
    Broker

    Raises
    ------
    UsageError
        If the URL is no address of a broker, or the certificates are not used or not there. The
        message never has the URL, which may hold a password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _wrong("it cannot be read") from None
    if parts.scheme not in PORTS:
        raise _wrong("it does not begin with mqtt:// or mqtts://")
    if not parts.hostname:
        raise _wrong("it names no host")
    if "?" in url or "#" in url:
        raise _wrong("it has a part after ? or #; percent-encode these signs in a password")
    is_encrypted = parts.scheme == "mqtts"
    if ca_file is not None:
        if not is_encrypted:
            raise UsageError("--mqtt-ca is for an encrypted connection", fix="--mqtt mqtts://HOST")
        if not Path(ca_file).is_file():
            raise UsageError(f"there is no file {ca_file}", fix="--mqtt-ca FILE, in PEM")
    user = _decoded(parts.username) or environment.get(USER_VARIABLE) or None
    password = _decoded(parts.password) or environment.get(PASSWORD_VARIABLE) or None
    if password is not None and user is None:
        raise UsageError("the broker gets a password without a user", fix=f"set {USER_VARIABLE}")
    return Broker(
        parts.hostname,
        PORTS[parts.scheme] if port is None else port,
        is_encrypted,
        None if ca_file is None else Path(ca_file),
        _topic(parts),
        user,
        password,
    )


def has_credentials(url: str) -> bool:
    """Return whether a URL has a user or a password."""
    return "@" in url.partition("://")[2].partition("/")[0]


def _decoded(text: str | None) -> str | None:
    return None if text is None else unquote(text)


def _topic(parts: SplitResult) -> str | None:
    topic = unquote(parts.path).strip("/")
    if any(sign in topic for sign in "+#\0") or topic.startswith("$") or "//" in topic:
        raise _wrong("its topic has +, #, $ or an empty level")
    if len(topic) > LONGEST_TOPIC:
        raise _wrong(f"its topic has more than {LONGEST_TOPIC} characters")
    return topic or None


def _wrong(why: str) -> UsageError:
    return UsageError(f"the value of --mqtt is no address of a broker: {why}", allowed=FORM)
