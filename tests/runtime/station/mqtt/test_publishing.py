"""Results are published to a real Mosquitto: each at least once, whatever the broker does."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from alledge.errors import MissingPackageError, UsageError
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.station.history.store import History
from alledge.runtime.station.mqtt.broker import Broker, parse_broker
from alledge.runtime.station.mqtt.publisher import MOST_UNCONFIRMED, Publisher, publishing
from support.brokers import TIMEOUT_S, free_port, mosquitto, subscribed, wait_until
from support.histories import new_result, unread
from support.stations import png, serving

paho = pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed")


@pytest.fixture
def port() -> int:
    return free_port()


def local(port: int, scheme: str = "mqtt", ca_file: Path | None = None) -> Broker:
    return parse_broker(f"{scheme}://localhost:{port}/lab", ca_file, environment={})


def numbers(texts: list[str]) -> list[int]:
    return [json.loads(text)["number"] for text in texts]


def test_new_rows_are_published_and_old_ones_are_not(
    home: Path, bundle: Path, tmp_path: Path, port: int
) -> None:
    with mosquitto(tmp_path, port), subscribed(port) as subscriber, History(home) as history:
        history.add(new_result(1))
        with publishing(local(port), Bundle.open(bundle), home, print):
            history.add(new_result(2, "Doe, John.jpg", status="review"))
            history.add(unread("a"))  # no picture: not published
            history.add_verdict(2, None, "healthy")
            history.add(new_result(3))
            wait_until(lambda: len(subscriber.texts("lab/result")) == 2)
            wait_until(lambda: subscriber.texts("lab/status") == ["online"])
        wait_until(lambda: subscriber.texts("lab/status") == ["online", "offline"])
    first = json.loads(subscriber.texts("lab/result")[0])
    assert numbers(subscriber.texts("lab/result")) == [2, 5]
    assert (first["name"], first["folder"], first["record"]["image"]) == (None, None, None)
    assert (first["status"], first["record"]["label"]) == ("review", "blast")
    assert "John" not in json.dumps(subscriber.messages)


def test_home_assistant_is_told_of_sensors_whose_topics_exist(
    home: Path, bundle: Path, cell_bundle: Path, tmp_path: Path, port: int
) -> None:
    counts = {}
    for path in (bundle, cell_bundle):
        with (
            mosquitto(tmp_path, port),
            History(home) as history,
            publishing(local(port), Bundle.open(path), home, print),
            subscribed(port) as seen,
        ):
            history.add(new_result(len(counts) + 1))
            wait_until(lambda seen=seen: seen.texts("/result"))
            wait_until(lambda seen=seen: seen.texts("/status/config"))
        topics = {topic: json.loads(text) for topic, text in seen.messages if "/config" in topic}
        assert all(topic.startswith("homeassistant/") for topic in topics)
        identities = {configuration["unique_id"] for configuration in topics.values()}
        assert len(identities) == len(topics)
        used = {configuration["state_topic"] for configuration in topics.values()}
        assert used <= {topic for topic, _ in seen.messages}
        counts[path] = len(topics)
    assert list(counts.values()) == [5, 7]


def test_what_a_broker_misses_is_published_when_it_is_back(
    home: Path, bundle: Path, tmp_path: Path, port: int
) -> None:
    lines: list[str] = []
    total = 2 * MOST_UNCONFIRMED + 5
    with History(home) as history, publishing(local(port), Bundle.open(bundle), home, lines.append):
        for index in range(1, total - 2):
            history.add(new_result(index))
        wait_until(lambda: any("no connection with" in line for line in lines))
        with mosquitto(tmp_path, port), subscribed(port) as first:
            wait_until(lambda: len(set(numbers(first.texts("lab/result")))) == total - 3)
        wait_until(lambda: any("is lost" in line for line in lines))
        for index in range(total - 2, total + 1):
            history.add(new_result(index))
        with mosquitto(tmp_path, port), subscribed(port) as second:
            wait_until(lambda: set(numbers(second.texts("lab/result"))) >= {total})
    seen = set(numbers(first.texts("lab/result")) + numbers(second.texts("lab/result")))
    assert seen == set(range(1, total + 1))


def test_what_was_not_published_before_a_crash_is_published_after_it(
    home: Path, bundle: Path, tmp_path: Path, port: int
) -> None:
    with History(home) as history:
        unreachable = Publisher(local(port), history, Bundle.open(bundle), home, print)
        for index in (1, 2, 3):  # durable, and no broker is there
            history.add(new_result(index))
        del unreachable
        with mosquitto(tmp_path, port), subscribed(port) as subscriber:
            with publishing(local(port), Bundle.open(bundle), home, print) as publisher:
                assert publisher is not None
                assert publisher.drain(TIMEOUT_S) == 0
            wait_until(lambda: numbers(subscriber.texts("lab/result")) == [1, 2, 3])


@pytest.mark.parametrize("moment", range(3))
def test_killed_while_it_publishes_it_loses_nothing(
    home: Path, bundle: Path, tmp_path: Path, port: int, moment: int
) -> None:
    camera = tmp_path / "camera"
    camera.mkdir()
    for number in range(30):
        (camera / f"{number}.png").write_bytes(png(number))
    command = [
        sys.executable, "-m", "alledge", "watch", str(camera), "--home", str(home), "--once",
        "--bundle", str(bundle), "--backend", "onnx", "--settle", "0", "--json",
        "--mqtt", f"mqtt://127.0.0.1:{port}/lab",
    ]  # fmt: skip
    with mosquitto(tmp_path, port), subscribed(port) as subscriber:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
        wait_until(lambda: len(subscriber.texts("lab/result")) > 5 * moment)
        process.kill()
        process.communicate()
        wait_until(lambda: subscriber.texts("lab/status")[-1:] == ["offline"])  # the last will
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", timeout=TIMEOUT_S, check=False
        )
        assert done.returncode == 0, done.stderr
        wait_until(lambda: len(set(numbers(subscriber.texts("lab/result")))) == 30)
    assert "not confirmed" not in done.stderr


def test_a_password_is_sent_and_neither_printed_nor_stored(
    home: Path, bundle: Path, tmp_path: Path, port: int
) -> None:
    if not shutil.which("mosquitto_passwd"):
        pytest.skip("Mosquitto is not installed (Debian: apt-get install mosquitto)")
    (tmp_path / "users").write_text("ann:s3cret-word\n", encoding="utf-8")
    subprocess.run(["mosquitto_passwd", "-U", str(tmp_path / "users")], check=True)
    (tmp_path / "users").chmod(0o644)
    rules = ("allow_anonymous false", f"password_file {tmp_path / 'users'}")
    lines: list[str] = []
    with mosquitto(tmp_path, port, *rules), History(home) as history:
        for password in ("wrong-word", "s3cret-word"):
            broker = parse_broker(f"mqtt://ann:{password}@127.0.0.1:{port}", environment={})
            with publishing(broker, Bundle.open(bundle), home, lines.append) as publisher:
                assert publisher is not None
                if password == "wrong-word":
                    history.add(new_result(1))
                    wait_until(lambda: any("is refused" in line for line in lines))
                    assert publisher.drain(0) == 1
                else:
                    assert publisher.drain(TIMEOUT_S) == 0
    stored = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    for word in ("wrong-word", "s3cret-word"):
        assert word not in "".join(lines)
        assert word.encode() not in stored


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two authorities, and a certificate of localhost that the first one signed."""
    folder = tmp_path_factory.mktemp("certificates")
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    try:
        for name in ("laboratory", "stranger"):
            openssl("req", "-x509", *new_key, "-days", "2", "-keyout", f"{name}.key",
                    "-out", f"{name}.pem", "-subj", f"/CN={name}")  # fmt: skip
        openssl("req", *new_key, "-keyout", "key.pem", "-out", "broker.csr", "-subj", "/CN=broker")
        (folder / "names").write_text("subjectAltName=DNS:localhost\n", encoding="ascii")
        openssl("x509", "-req", "-in", "broker.csr", "-CA", "laboratory.pem", "-CAkey",
                "laboratory.key", "-CAcreateserial", "-days", "2", "-out", "cert.pem",
                "-extfile", "names")  # fmt: skip
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    (folder / "key.pem").chmod(0o644)
    return folder


def test_tls_takes_only_a_broker_with_a_certificate_that_is_trusted(
    home: Path, bundle: Path, tmp_path: Path, port: int, certificates: Path
) -> None:
    rules = (f"certfile {certificates / 'cert.pem'}", f"keyfile {certificates / 'key.pem'}")
    opened, ca_file = Bundle.open(bundle), certificates / "laboratory.pem"
    with mosquitto(tmp_path, port, *rules), History(home) as history:
        elsewhere = parse_broker(f"mqtts://127.0.0.1:{port}/lab", ca_file, environment={})
        for index, broker, why in (
            (1, local(port, "mqtts"), "unable to get local issuer"),  # that of the system
            (2, local(port, "mqtts", certificates / "stranger.pem"), "unable to get local issuer"),
            (3, elsewhere, "IP address mismatch"),
        ):
            lines: list[str] = []
            with publishing(broker, opened, home, lines.append) as publisher:
                history.add(new_result(index))
                wait_until(lambda lines=lines: lines)
                assert publisher is not None
                assert publisher.drain(0) > 0
            assert f"its certificate is not trusted ({why}" in lines[0]
            assert "--mqtt-ca FILE" in lines[0]
        trusted = local(port, "mqtts", ca_file)
        with publishing(trusted, opened, home, lambda line: None) as publisher:
            assert publisher is not None
            assert publisher.drain(TIMEOUT_S) == 0
    with mosquitto(tmp_path, port), publishing(trusted, opened, home, lines.append):
        wait_until(lambda: any("no connection with" in line for line in lines[1:]))  # no TLS


def test_certificates_that_are_none_are_an_error(home: Path, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("none", encoding="utf-8")
    broker = local(1, "mqtts", tmp_path / "ca.pem")
    with History(home) as history, pytest.raises(UsageError, match="cannot be used"):
        Publisher(broker, history, Bundle.open(bundle), home, print)
    assert issubclass(ssl.SSLError, OSError)


def test_of_two_processes_one_publishes(
    home: Path, bundle: Path, tmp_path: Path, port: int
) -> None:
    lines: list[str] = []
    opened = Bundle.open(bundle)
    with (
        mosquitto(tmp_path, port),
        subscribed(port) as subscriber,
        History(home) as history,
        publishing(local(port), opened, home, print),
    ):
        wait_until(lambda: subscriber.texts("lab/status"))
        with publishing(local(port), opened, home, lines.append):
            wait_until(lambda: any("another process" in line for line in lines))
            for index in range(1, 6):
                history.add(new_result(index))
            wait_until(lambda: len(subscriber.texts("lab/result")) == 5)
    assert numbers(subscriber.texts("lab/result")) == [1, 2, 3, 4, 5]


def test_an_upload_to_the_page_is_published_too(
    home: Path, bundle: Path, tmp_path: Path, port: int
) -> None:
    url = f"mqtt://127.0.0.1:{port}/lab"
    with (
        mosquitto(tmp_path, port),
        subscribed(port) as subscriber,
        serving(home, bundle, "--mqtt", url) as server,
    ):
        assert server.ask("POST", "/v1/classify", png(1)).status == 200
        wait_until(lambda: numbers(subscriber.texts("lab/result")) == [1])


def test_without_the_package_the_error_names_the_extra(
    home: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with History(home) as history, pytest.raises(MissingPackageError, match="paho-mqtt"):
        Publisher(local(1), history, Bundle.open(bundle), home, print)
