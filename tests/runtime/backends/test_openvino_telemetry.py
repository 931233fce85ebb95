"""OpenVINO is imported without its telemetry, which would touch the network and the home folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alledge.runtime.bundle.finding import builtin_folder

# What starts a process, opens a connection or asks for an address is said on stderr.
WATCHED = """
import sys
def watch(event, arguments):
    if event in ("os.fork", "socket.connect", "socket.getaddrinfo"):
        print(event, arguments, file=sys.stderr, flush=True)
sys.addaudithook(watch)
from alledge.cli import run
run()
"""


@pytest.mark.skipif(not builtin_folder().is_dir(), reason="there is no built-in bundle")
def test_classify_touches_neither_the_network_nor_the_home_folder(tmp_path: Path) -> None:
    homes = {name: str(tmp_path) for name in ("HOME", "USERPROFILE", "LOCALAPPDATA")}
    not_ci = {name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD")}
    picture = builtin_folder() / "reference" / "picture.jpg"
    words = ("classify", str(picture), "--bundle", "builtin", "--backend", "openvino", "--json")
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *words],
        env={**not_ci, **homes, "ALLEDGE_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert '"backend": "openvino' in done.stdout
    assert "os.fork" not in done.stderr
    assert "socket." not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} <= {"cache"}


def test_openvino_takes_its_stub() -> None:
    code = (
        "import alledge.runtime.backends, openvino\n"
        "from openvino.tools.ovc import telemetry_utils\n"
        "assert telemetry_utils.tm.__name__ == 'openvino.tools.ovc.telemetry_stub'\n"
        "assert openvino.convert_model\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
