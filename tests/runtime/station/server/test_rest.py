"""The REST interface of a real server: answers, limits, and who is refused."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image

from alledge.runtime.bundle.builtin import builtin_folder
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.sites.profile import site_folder
from alledge.runtime.station.history.store import History
from alledge.runtime.station.history.verification import verify_history
from support.site_profiles import write_profile
from support.stations import TOKEN, Server, form, png, serving

SCHEMAS = Path(__file__).resolve().parents[4] / "runtime" / "schemas"
BEARER = {"authorization": f"Bearer {TOKEN}"}


def schema(name: str) -> jsonschema.Draft202012Validator:
    text = (SCHEMAS / f"{name}.json").read_text(encoding="utf-8")
    return jsonschema.Draft202012Validator(json.loads(text))


def test_a_raw_body_and_a_form_give_the_record_of_classify(server: Server, bundle: Path) -> None:
    content = png(1)
    raw = server.ask("POST", "/v1/classify", content, {"content-type": "image/png"})
    body, headers = form(content)
    again = server.ask("POST", "/v1/classify", body, headers)
    assert raw.status == again.status == 200
    schema("classify").validate(raw.json)
    assert raw.json == again.json
    assert raw.headers["location"] == again.headers["location"]
    path = server.home.parent / "one.png"
    path.write_bytes(content)
    command = [sys.executable, "-m", "alledge", "classify", str(path), "--bundle", str(bundle)]
    done = subprocess.run(
        [*command, "--backend", "onnx", "--json"], capture_output=True, check=True
    )
    expected = {**json.loads(done.stdout), "image": None, "ms": raw.json["ms"]}
    assert raw.json == expected


def test_a_result_is_in_the_history_before_it_is_answered(server: Server) -> None:
    answer = server.ask("POST", "/v1/classify", *form(png(2), name="C:\\camera\\slide 2.png"))
    with History(server.home) as history:
        entry = history.entry(int(answer.headers["location"].rpartition("/")[2]))
        assert entry is not None
        assert entry.name is not None
        assert (entry.name.name, entry.name.folder) == ("slide 2.png", None)
    document = server.get(answer.headers["location"]).json
    schema("history-entry").validate(document)
    assert document["record"]["scores"] == answer.json["scores"]
    assert document["source"] == "upload"
    found = server.get("/v1/history?search=slide%202&unread=0").json["entries"]
    assert [row["number"] for row in found] == [entry.number]
    for kind, longest in (("thumbnail", 240), ("preview", 1400)):
        picture = server.get(f"{answer.headers['location']}/{kind}")
        assert picture.headers["content-type"] == "image/jpeg"
        assert picture.body.startswith(b"\xff\xd8\xff"), longest


@pytest.mark.parametrize(
    ("form", "mode"), [("TIFF", "RGB"), ("TIFF", "I;16"), ("PNG", "I;16"), ("HEIF", "RGB")]
)
def test_a_picture_that_no_browser_shows_has_a_jpeg_as_its_preview(
    server: Server, form: str, mode: str
) -> None:
    if form == "HEIF":
        heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
        heif.register_heif_opener()
    picture, stream = Image.open(BytesIO(png(70))), BytesIO()
    if mode == "I;16":
        grey = np.asarray(picture.convert("L"), dtype=np.uint16) * 257
        picture = Image.fromarray(grey)
    picture.save(stream, form)
    answer = server.ask("POST", "/v1/classify", stream.getvalue())
    assert answer.status == 200, answer.body
    for kind in ("thumbnail", "preview"):
        preview = Image.open(BytesIO(server.get(f"{answer.headers['location']}/{kind}").body))
        assert (preview.format, preview.size) == ("JPEG", (160, 120))


@pytest.mark.parametrize("content", [b"no image at all", png(3)[:2000], png(4, (1600, 1200))])
def test_an_image_that_cannot_be_read_gives_its_record_and_the_reason(
    server: Server, content: bytes
) -> None:
    answer = server.ask("POST", "/v1/classify", content)
    assert answer.status == 422
    schema("classify").validate(answer.json)
    assert answer.json["status"] == "error"
    assert answer.json["error"]
    assert (
        server.ask("POST", "/v1/classify", content).headers["location"]
        == answer.headers["location"]
    )


def test_a_body_over_the_limit_is_refused_before_or_while_it_is_read(server: Server) -> None:
    large = bytes(3 << 20)
    with socket.create_connection((server.host, server.port), timeout=60) as connection:
        head = (
            f"POST /v1/classify HTTP/1.1\r\nhost: {server.host}\r\ncontent-length: {10**9}\r\n\r\n"
        )
        connection.sendall(head.encode())  # and no body: the header is enough
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")
    with socket.create_connection((server.host, server.port), timeout=60) as connection:
        head = f"POST /v1/classify HTTP/1.1\r\nhost: {server.host}\r\n"
        head += "transfer-encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        answer = b""
        try:
            for _ in range(64):
                connection.sendall(b"10000\r\n" + large[: 1 << 16] + b"\r\n")
            answer = connection.recv(4096)
        except OSError:  # it was closed while this side still sent
            answer = answer or b"HTTP/1.1 413"
        assert answer.startswith(b"HTTP/1.1 413")
    assert server.get("/v1/health").status == 200


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (*form(b""), 400),
        (*form(b"x", field="other"), 400),
        (b"--y", {"content-type": "multipart/form-data; boundary=x"}, 400),
        (b"x", {"content-type": "multipart/form-data"}, 400),
        (b"image=x", {"content-type": "application/x-www-form-urlencoded"}, 415),
    ],
)
def test_a_body_that_is_no_image_is_refused(
    server: Server, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = server.ask("POST", "/v1/classify", body, headers)
    assert answer.status == status
    assert set(answer.json) == {"error", "fix"}


def test_every_answer_has_the_security_headers(server: Server) -> None:
    for path in ("/", "/static/page.js", "/v1/health", "/nothing", "/v1/history/999999"):
        headers = server.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example"}, 421),
        ({"host": "10.0.0.1"}, 421),
        ({"host": ""}, 421),
        ({"host": "localhost"}, 200),
        ({"host": "LOCALHOST.:99"}, 200),
        ({"host": "[::1]:1"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
    ],
)
def test_other_hosts_and_other_pages_read_nothing(
    server: Server, headers: dict[str, str], status: int
) -> None:
    assert server.ask("GET", "/v1/history", headers=headers).status == status


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1"])
def test_other_pages_write_nothing(server: Server, origin: str) -> None:
    last = server.get("/v1/state").json["last"]
    headers = {"origin": origin, "content-type": "text/plain"}
    assert server.ask("POST", "/v1/classify", png(9), headers).status == 403
    assert server.post_json("/v1/history/1/verdicts", {}, origin=origin).status == 403
    own = f"http://{server.host}:{server.port}"
    headers = {"origin": own, "content-type": "text/plain"}
    assert server.ask("POST", "/v1/history/1/verdicts", b"{}", headers).status == 415
    assert server.get("/v1/state").json["last"] == last


@pytest.mark.parametrize(
    "path",
    ["/static/../api.py", "/static/%2e%2e/api.py", "/static/..%2fapi.py", "/messages/xx.json",
     "/v1/history/../../x", "/etc/passwd", "//etc/passwd", "/static/"],
)  # fmt: skip
def test_no_path_of_a_client_opens_a_file(server: Server, path: str) -> None:
    assert server.get(path).status in (403, 404)


def test_answers_to_what_does_not_exist_or_is_wrong(server: Server) -> None:
    for path, status in (
        ("/v1/history/999999", 404),
        ("/v1/history/99999999999999999999999", 404),
        ("/v1/history/999999/preview", 404),
        ("/v1/history?limit=x", 422),
        ("/v1/history?since=never", 422),
        ("/v1/history?status=purple", 422),
        ("/v1/cells?entry=-1", 422),
        ("/v1/history?limit=0&search=%00%25&before=5", 200),
    ):
        assert server.get(path).status == status, path
    assert server.ask("DELETE", "/v1/history").status == 405


def test_the_watched_folder_and_other_processes_reach_an_open_page(
    server: Server, bundle: Path
) -> None:
    judged = server.get("/v1/agreement").json["images"]["judged"]
    with socket.create_connection((server.host, server.port), timeout=60) as connection:
        request = f"GET /v1/events HTTP/1.1\r\nhost: {server.host}\r\n\r\n"
        connection.sendall(request.encode())
        stream = connection.makefile("rb")
        for line in stream:
            if line.startswith(b"retry"):
                break
        (server.home.parent / "camera" / "watched.png").write_bytes(png(50))
        # other tests of this server may have left pictures that are classified only now
        while (document := server.get(f"/v1/history/{next_event(stream)}").json)[
            "name"
        ] != "watched.png":
            pass
        number = document["number"]
        assert document["source"] == "folder"
        with History(server.home) as history:
            history.add_verdict(number, None, "blast")
        while next_event(stream) != number:
            pass
    assert server.get(f"/v1/history/{number}").json["verdicts"][0]["label"] == "blast"
    assert server.get("/v1/agreement").json["images"]["judged"] == judged + 1


def next_event(stream: object) -> int:
    """Return the number of the last entry of the next event."""
    for line in stream:  # type: ignore[attr-defined]
        if line.startswith(b"data: "):
            return int(json.loads(line[6:])[-1])
    raise AssertionError("the stream ended")


def test_the_preview_of_a_watched_field_is_larger_than_what_the_model_saw(server: Server) -> None:
    path = server.home.parent / "camera" / "large.png"
    path.write_bytes(png(60, (1000, 700)))
    while not (rows := server.get("/v1/history?search=large.png").json["entries"]):
        pass
    preview = f"/v1/history/{rows[0]['number']}/preview"
    assert Image.open(BytesIO(server.get(preview).body)).size == (1000, 700)
    path.write_bytes(png(61, (1000, 700)))  # a retake: the old picture is gone
    assert Image.open(BytesIO(server.get(preview).body)).size == (224, 157)


def test_state_metrics_and_readiness(server: Server) -> None:
    state = server.get("/v1/state").json
    assert state["labels"] == ["healthy", "blast"]
    assert state["coverage"]["commissioned"] is False
    (folder,) = state["folders"]
    assert folder["folder"] == str(server.home.parent / "camera")
    assert isinstance(folder["events"], bool)
    assert server.get("/v1/ready").json == {"status": "ready", "problems": []}
    text = server.get("/metrics").body.decode()
    assert "alledge_ready 1" in text
    assert "watched.png" not in text
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(float(line.rpartition(" ")[2]) >= 0 for line in samples)


def test_verdicts_on_cells_stand_beside_the_machine(cell_server: Server) -> None:
    cells = cell_server.ask("GET", "/v1/cells?entry=1", headers=BEARER).json["cells"]
    assert cells
    path, machine = "/v1/history/1/verdicts", cells[0]["label"]
    answer = cell_server.post_json(path, {"cell": 0, "label": "healthy"}, **BEARER)
    assert answer.status == 201
    assert answer.json["record"]["cells"][0]["label"] == machine
    assert answer.json["verdicts"][0]["label"] == "healthy"
    judged = cell_server.ask("GET", "/v1/cells?judged=1", headers=BEARER).json["cells"]
    assert [(cell["cell"], cell["person"]) for cell in judged] == [(0, "healthy")]
    for wrong in ({"cell": 9999, "label": "healthy"}, {"cell": 0, "label": "x"}, {"cell": True},
                  {"cell": 0, "label": 3}, {"cell": 0, "x": 1}):  # fmt: skip
        assert cell_server.post_json(path, wrong, **BEARER).status == 422
    assert cell_server.post_json("/v1/history/99/verdicts", {"label": None}, **BEARER).status == 404
    for body in (b"[", b"[]", b"x" * 5000, b"[" * 4000):
        answer = cell_server.ask("POST", path, body, {"content-type": "application/json", **BEARER})
        assert answer.status in (400, 413, 422)


def test_without_the_token_only_the_empty_page_is_answered(cell_server: Server) -> None:
    for path in ("/v1/history", "/v1/history/1/preview", "/v1/state", "/v1/events", "/metrics"):
        assert cell_server.get(path).status == 401
        assert cell_server.get(path, authorization="Bearer wrong").status == 401
        assert cell_server.get(path, cookie="alledge_session=wrong").status == 401
    assert cell_server.ask("POST", "/v1/classify", png(1)).status == 401
    for path in ("/", "/static/page.js", "/messages/de.json", "/v1/health"):
        assert cell_server.get(path).status == 200
    assert cell_server.post_json("/v1/login", {"token": "wrong"}).status == 401
    answer = cell_server.post_json("/v1/login", {"token": TOKEN})
    cookie = answer.headers["set-cookie"]
    assert answer.status == 204
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert cell_server.get("/v1/state", cookie=cookie.partition(";")[0]).status == 200


def test_a_damaged_history_is_answered_with_503_and_the_rest_goes_on(
    tmp_path: Path, bundle: Path
) -> None:
    with serving(tmp_path / "home", bundle) as server:
        server.ask("POST", "/v1/classify", png(1))
        with History(server.home) as history:
            history.remove("1999")  # moves the log into the file
        path = server.home / "history.sqlite3"
        size = path.stat().st_size
        path.write_bytes(b"\xff" * size)
        (server.home / "history.sqlite3-wal").write_bytes(b"")
        answer = server.ask("POST", "/v1/classify", png(2))
        assert answer.status == 503
        assert "damaged" in answer.json["error"]
        assert server.get("/v1/ready").status == 503
        assert server.get("/v1/health").status == 200


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_signal_ends_the_server_also_with_an_open_page(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "camera").mkdir()
    with serving(tmp_path / "home", bundle, str(tmp_path / "camera")) as server:
        with socket.create_connection((server.host, server.port), timeout=60) as connection:
            request = f"GET /v1/events HTTP/1.1\r\nhost: {server.host}\r\n\r\n"
            connection.sendall(request.encode())
            assert b"200" in connection.recv(4096)
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(60) == 143
        assert server.process.stderr is not None
        assert server.process.stderr.read().endswith("terminated\n")
    with History(tmp_path / "home") as history:
        assert verify_history(history)["problems"] == []


def test_a_killed_server_loses_no_answered_result(tmp_path: Path, bundle: Path) -> None:
    answered = []
    for round_number in range(2):
        with serving(tmp_path / "home", bundle) as server:
            for index in range(5):
                answer = server.ask("POST", "/v1/classify", png(100 + 10 * round_number + index))
                answered.append(answer.headers["location"])
    assert len(set(answered)) == 10
    with History(tmp_path / "home") as history:
        assert verify_history(history)["problems"] == []
        assert history.counts()["result"] == 10
    shutil.rmtree(tmp_path / "home")


def test_an_upload_whose_entry_was_removed_is_gone(tmp_path: Path, bundle: Path) -> None:
    with serving(tmp_path / "home", bundle) as server:
        first = server.ask("POST", "/v1/classify", png(1))
        with History(server.home) as history:
            history.remove("2999")
        again = server.ask("POST", "/v1/classify", png(1))
        assert (again.status, again.headers["location"]) == (410, first.headers["location"])
        schema("classify").validate(again.json)


def test_the_state_says_what_is_known_of_the_microscope(home: Path, bundle: Path) -> None:
    write_profile(site_folder("room-3", home), Bundle.open(bundle))
    with serving(home, bundle, "--site", "room-3") as server:
        coverage = server.get("/v1/state").json["coverage"]
    assert coverage["site"] == "room-3@1"
    assert coverage["adopted"] is False
    builtin = builtin_folder()
    write_profile(site_folder("room-4", home), Bundle.open(builtin), backend="onnx")
    with serving(home, builtin, "--site", "room-4") as server:
        assert server.get("/v1/state").json["coverage"]["adopted"] is True
    assert coverage["commissioned"] is False
    assert coverage["verdict"] is None
