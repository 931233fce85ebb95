"""The address of a broker: what is accepted, and that no error tells the password."""

from __future__ import annotations

from pathlib import Path

import pytest

from alledge.errors import UsageError
from alledge.runtime.station.mqtt.broker import has_credentials, parse_broker


def test_an_address_is_read_with_its_defaults() -> None:
    broker = parse_broker("mqtt://lab-server", environment={})
    assert (broker.name, broker.is_encrypted, broker.topic, broker.user) == (
        "lab-server:1883", False, None, None
    )  # fmt: skip
    full = parse_broker("mqtts://ann:p%40ss%2F@[::1]:9999/lab/room%203/", environment={})
    assert (full.name, full.is_encrypted, full.topic) == ("[::1]:9999", True, "lab/room 3")
    assert (full.user, full.password) == ("ann", "p@ss/")
    assert parse_broker("mqtts://h", environment={}).port == 8883


def test_the_environment_has_the_credentials_that_the_address_has_not() -> None:
    environment = {"ALLEDGE_MQTT_USER": "ann", "ALLEDGE_MQTT_PASSWORD": "secret"}
    broker = parse_broker("mqtt://h", environment=environment)
    assert (broker.user, broker.password) == ("ann", "secret")
    assert "secret" not in repr(broker)
    assert "ann" not in repr(broker)
    assert parse_broker("mqtt://h", environment={}).identity == broker.identity


@pytest.mark.parametrize(
    "url",
    ["http://u:secret@h", "mqtt://", "u:secret@h", "mqtt://u:secret@h:99999", "mqtt://u:secret@h/a+",
     "mqtt://u:secret@h/#", "mqtt://u:secret@h?x=1", "mqtt://u:secret@h//a//b", "mqtt://u:secret@[h",
     "mqtt://u:secret@h/$SYS", "mqtt://:secret@h", "mqtt://u:secret@h/" + "a" * 201],
)  # fmt: skip
def test_a_wrong_address_is_an_error_without_its_password(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_broker(url, environment={})
    assert "secret" not in str(caught.value)


def test_certificates_need_an_encrypted_connection_and_a_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="encrypted"):
        parse_broker("mqtt://h", tmp_path, environment={})
    with pytest.raises(UsageError, match="there is no file"):
        parse_broker("mqtts://h", tmp_path / "missing", environment={})


@pytest.mark.parametrize(
    ("url", "has"), [("mqtt://h/a@b", False), ("mqtt://u@h", True), ("mqtt://u:p@h/x", True)]
)
def test_credentials_in_an_address_are_found(url: str, has: bool) -> None:
    assert has_credentials(url) is has
