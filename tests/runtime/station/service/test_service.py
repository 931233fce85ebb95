"""The service: what its files say, that systemd takes them, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath, PureWindowsPath

import click
import pytest
from click.testing import CliRunner

from alledge.cli import main
from alledge.errors import AlledgeError, UsageError
from alledge.runtime.station.service import checking, installing
from alledge.runtime.station.service.checking import ServiceProblem, service_problems
from alledge.runtime.station.service.installing import Installation, ServiceFile
from alledge.runtime.station.service.planning import plan_service
from alledge.runtime.station.service.systemd_unit import systemd_unit
from alledge.runtime.station.service.types import MARK, ServicePlan
from alledge.runtime.station.service.windows_task import windows_task

HOME = PurePath("/var/lib/alledge-station")
ODD = '/mnt/50 % of "Müller\'s" $HOME\\slides'
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="paths of POSIX")


def plan(*words: str, has_page: bool = True) -> ServicePlan:
    return plan_service(
        words, has_page=has_page, command=("/usr/bin/env",), default_home=HOME, user="root"
    )


def values_of(unit: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in unit.splitlines() if line.startswith(f"{key}=")]


@posix_only
def test_every_path_is_absolute_and_only_what_was_named_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALLEDGE_MQTT", "mqtt://ann:secret@h")
    monkeypatch.setenv("ALLEDGE_TOKEN", "secret")
    service = plan("pictures", "--port", "99", "--recursive", "--name", "a", "--name", "b")
    here = str(tmp_path / "pictures")
    assert service.arguments == (
        "serve", "--port", "99", "--name", "a", "--name", "b", "--recursive",
        "--home", str(HOME), "--", here,
    )  # fmt: skip
    assert service.folders == (here,)
    assert "secret" not in systemd_unit(service)
    own = plan("--home", "x", "--camera", "0", "--camera-folder", "y", has_page=False)
    assert own.home == PurePath(tmp_path / "x")
    assert own.written == (tmp_path / "y",)


@posix_only
def test_the_unit_lets_the_service_write_to_its_own_folders_only() -> None:
    unit = systemd_unit(plan("/mnt/camera"))
    assert values_of(unit, "StateDirectory") == ["alledge-station"]
    assert values_of(unit, "ReadWritePaths") == []
    assert values_of(unit, "ProtectSystem") == ["strict"]
    assert values_of(unit, "NoNewPrivileges") == ["yes"]
    assert values_of(unit, "ProtectHome") == ["yes"]
    other = systemd_unit(plan("/home/ann/slides", "--home", "/srv/history"))
    assert values_of(other, "ReadWritePaths") == ['"/srv/history"']
    assert values_of(other, "ProtectHome") == ["read-only"]


@posix_only
@pytest.mark.parametrize(
    ("words", "is_local"),
    [
        (["/m"], True),
        (["/m", "--host", "::1"], True),
        (["/m", "--host", "0.0.0.0"], False),
        (["/m", "--mqtt", "mqtt://h"], False),
    ],
)
def test_a_service_of_this_machine_alone_has_no_network(words: list[str], is_local: bool) -> None:
    unit = systemd_unit(plan(*words))
    assert values_of(unit, "IPAddressDeny") == (["any"] if is_local else [])


@posix_only
def test_only_a_camera_gets_devices() -> None:
    assert values_of(systemd_unit(plan("/m")), "PrivateDevices") == ["yes"]
    unit = systemd_unit(plan("--camera", "0"))
    assert values_of(unit, "PrivateDevices") == ["no"]
    assert values_of(unit, "SupplementaryGroups") == ["video"]


@posix_only
@pytest.mark.parametrize("words", [["/mnt/camera"], [ODD, "--camera", "0"], ["/m", "--home", ODD]])
def test_systemd_finds_nothing_wrong_with_the_unit(words: list[str], tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd is not installed")
    file = tmp_path / "alledge-station.service"
    file.write_text(systemd_unit(plan(*words)), encoding="utf-8")
    verified = subprocess.run(
        [analyze, "verify", str(file)], capture_output=True, encoding="utf-8", check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    exposed = subprocess.run(
        [analyze, "security", "--offline=yes", "--threshold=30", str(file)],
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert exposed.returncode == 0, exposed.stdout[-200:]


@posix_only
def test_doctor_reads_back_the_folders_that_the_unit_names(tmp_path: Path) -> None:
    folder = tmp_path / Path(ODD).name
    folder.mkdir()
    unit = tmp_path / "unit"
    unit.write_text(systemd_unit(plan(str(folder), str(tmp_path / "gone"))), encoding="utf-8")
    found = [p.what for p in service_problems(unit, tmp_path / "env", healthy) or ()]
    assert found == [f"the folder {tmp_path / 'gone'} is not there"]


def test_a_task_of_windows_is_xml_with_the_whole_command_line() -> None:
    service = ServicePlan(
        ("C:\\Program Files\\alledge & co\\pythonw.exe", "-m", "alledge"),
        ("serve", "--home", "C:\\Users\\Ann <3\\x", "--", "D:\\my pictures"),
        PureWindowsPath("C:\\Users\\Ann <3\\x"), ("D:\\my pictures",), (), "LAB\\ann", True, False,
    )  # fmt: skip
    text = windows_task(service)
    root = ElementTree.fromstring(text.encode("utf-16"))
    space = {"t": "http://schemas.microsoft.com/windows/2004/02/mit/task"}
    assert root.findtext(".//t:Command", namespaces=space) == service.command[0]
    assert root.findtext(".//t:Arguments", namespaces=space) == (
        '-m alledge serve --home "C:\\Users\\Ann <3\\x" -- "D:\\my pictures"'
    )
    assert root.findtext(".//t:RunLevel", namespaces=space) == "LeastPrivilege"
    assert root.findtext(".//t:ExecutionTimeLimit", namespaces=space) == "PT0S"


@pytest.mark.parametrize(
    ("words", "has_page", "said"),
    [
        (["m", "--token", "a-token-of-the-tests"], True, "no place for a token"),
        (["m", "--mqtt", "mqtt://ann:secret@h"], True, "no place for a password"),
        ([], False, "nothing to watch"),
        (["m", "--once"], False, "does not end"),
        (["--camera", __file__], True, "a recording ends"),
    ],
)
def test_what_a_service_cannot_do_is_refused(words: list[str], has_page: bool, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        plan(*words, has_page=has_page)
    assert "secret" not in str(caught.value)


def test_unknown_options_are_wrong_usage_and_line_breaks_are_refused() -> None:
    with pytest.raises(click.UsageError, match="--frobnicate"):
        plan("m", "--frobnicate")
    with pytest.raises(UsageError, match="line break"):
        systemd_unit(replace(plan("/m"), folders=("a\nb",), arguments=("a\nb",)))


def placed(folder: Path, installation: Installation) -> Installation:
    """Return an installation whose files lie in a folder of the test."""
    files = [replace(file, path=folder / file.path.name) for file in installation.files]
    return replace(installation, files=files)


@posix_only
def test_installing_writes_the_files_between_its_commands(tmp_path: Path) -> None:
    ran: list[Sequence[str]] = []
    service = plan("/mnt/camera", "--host", "0.0.0.0")
    installation = placed(tmp_path, installing.linux_installation(service, user_exists=False))
    installing.install(installation, run=ran.append)
    assert [command[0] for command in ran] == ["useradd", "systemctl", "systemctl", "systemctl"]
    secrets, unit = tmp_path / "station.env", tmp_path / "alledge-station.service"
    assert secrets.stat().st_mode & 0o777 == 0o600
    token = secrets.read_text(encoding="utf-8").splitlines()[-1]
    assert token.startswith("ALLEDGE_TOKEN=")
    assert len(token) > 40
    assert MARK in unit.read_text(encoding="utf-8")
    again = placed(tmp_path, installing.linux_installation(service, user_exists=True))
    installing.install(again, run=ran.append)
    assert secrets.read_text(encoding="utf-8").splitlines()[-1] == token
    assert {path.name for path in tmp_path.iterdir()} == {secrets.name, unit.name}
    unit.write_text("[Unit]\n", encoding="utf-8")
    with pytest.raises(UsageError, match="did not write it"):
        installing.install(again, run=ran.append)
    installing.install(again, force=True, run=ran.append)
    assert installing.uninstall(ran.append, unit)
    assert not unit.exists()
    with pytest.raises(UsageError, match="no service"):
        installing.uninstall(ran.append, unit)


def test_a_command_that_fails_is_one_error() -> None:
    python = [sys.executable, "-c", "import sys; sys.exit('it is wrong')"]
    with pytest.raises(AlledgeError, match="it is wrong"):
        installing.run_command(python)
    with pytest.raises(AlledgeError, match="cannot be run"):
        installing.run_command(["no-such-program-of-alledge"])
    assert checking.run_question(["no-such-program-of-alledge"]) == (127, "")


def test_windows_gets_a_file_in_utf_16(tmp_path: Path) -> None:
    installation = installing.windows_installation(replace(plan("m"), home=tmp_path))
    ran: list[Sequence[str]] = []
    installing.install(installation, run=ran.append)
    (file,) = installation.files
    assert file.path.read_bytes()[:2] in (b"\xff\xfe", b"\xfe\xff")
    assert installing.is_own(file)
    assert not installing.is_own(ServiceFile(tmp_path / "none", ""))
    assert [command[0] for command in ran] == ["schtasks", "schtasks"]


def healthy(command: Sequence[str]) -> tuple[int, str]:
    answers = {"is-enabled": "enabled", "is-active": "active", "show": "0"}
    return 0, answers.get(command[1], "")


@posix_only
@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"is-active": (3, "failed")}, "does not run"),
        ({"is-enabled": (1, "disabled")}, "does not start"),
        ({"show": (0, "7")}, "7 times"),
        ({"-u": (1, "")}, "does not exist"),
    ],
)
def test_doctor_names_what_is_wrong_and_what_to_type(
    answers: dict[str, tuple[int, str]], said: str, tmp_path: Path
) -> None:
    unit = tmp_path / "unit"
    unit.write_text(systemd_unit(plan(str(tmp_path))), encoding="utf-8")
    assert service_problems(unit, tmp_path / "env", healthy) == []
    (problem,) = service_problems(
        unit, tmp_path / "env", lambda c: answers[c[1]] if c[1] in answers else healthy(c)
    ) or [ServiceProblem("", "")]
    assert said in problem.what
    assert problem.fix


@posix_only
def test_doctor_finds_a_missing_token_open_secrets_and_a_missing_program(tmp_path: Path) -> None:
    unit, secrets = tmp_path / "unit", tmp_path / "env"
    service = replace(plan(str(tmp_path), "--host", "0.0.0.0"), command=("/no/alledge",))
    unit.write_text(systemd_unit(service), encoding="utf-8")
    secrets.write_text("# nothing\n", encoding="utf-8")
    secrets.chmod(0o644)
    problems = [p.what for p in service_problems(unit, secrets, healthy) or ()]
    assert len(problems) == 3
    assert "/no/alledge is gone" in problems[0]
    assert "other users can read" in problems[1]
    assert "has no ALLEDGE_TOKEN" in problems[2]
    assert service_problems(tmp_path / "no unit", secrets, healthy) is None


def test_a_dry_run_prints_the_files_and_writes_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["station", "install", str(tmp_path), "--dry-run"])
    if sys.platform == "darwin":
        assert result.exit_code == 2
        return
    assert result.exit_code == 0, result.output
    assert str(tmp_path) in result.stdout
    assert MARK in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="this is root")
def test_without_rights_installing_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["station", "install", str(tmp_path)])
    assert result.exit_code == 2
    assert "sudo" in result.stderr


def test_doctor_has_a_line_on_the_service() -> None:
    result = CliRunner().invoke(main, ["doctor", "--json"])
    rows = {row["what"]: row for row in json.loads(result.stdout)["findings"]}
    assert rows["service"]["status"] == "ok"
