"""No command writes over a file of the user: every command of the command line is tried."""

from __future__ import annotations

import ast
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from alledge.cli import COMMANDS, main
from alledge.errors import UsageError
from alledge.runtime.station.history.store import History
from alledge.train.runs.run_folder import Run

ROOT = Path(__file__).resolve().parent.parent
USERS = b"written by the user\n"
READS_ONLY = {
    "models": ["models"],
    "evaluate": ["evaluate", "bundle", "--data", "data"],
    "verify": ["verify", "bundle"],
    "devices": ["devices", "detect"],
    "doctor": ["doctor", "bundle"],
    # these write only into the folder of the workstation, which is not here
    "watch": ["watch", "data", "--bundle", "bundle", "--once", "--settle", "0"],
    "serve": ["serve", "--bundle", "bundle", "--host", "0.0.0.0"],
    # without --dry-run it writes the files of the system's services
    "station": ["station", "install", "data", "--dry-run"],
}


@dataclass(frozen=True)
class Writer:
    """A command that writes files.

    Parameters
    ----------
    arguments : list of str
        `OUT` stands for the path that the user names.
    out : str
        That path.
    written : tuple of str
        Files that the command would write.
    forced : bool
        Whether ``--force`` replaces these files.
    is_folder : bool
        Whether the path is a folder.
    """

    arguments: list[str]
    out: str
    written: tuple[str, ...]
    forced: bool = False
    is_folder: bool = False


OUT = "OUT"
WRITERS = {
    "classify": Writer(
        ["classify", "data", "--bundle", "bundle", "--overlay", OUT],
        "data",
        ("data/a.overlay.jpg",),
        forced=True,
        is_folder=True,
    ),
    "audit": Writer(["audit", "data", "--html", OUT], "a.html", ("a.html",), forced=True),
    "train": Writer(
        ["train", "--model", "vgg16", "--weights", "none", "--data", "data", "--out", OUT],
        "run",
        ("run/settings.json", "run/thesis.txt"),
        is_folder=True,
    ),
    "study": Writer(
        ["study", "--data", "data", "--weights", "none", "--resume", "--out", OUT],
        "study",
        ("study/settings.json", "study/study.json", "study/study.html", "study/study.md"),
        is_folder=True,
    ),
    "export": Writer(
        ["export", "--run", "finished", "--out", OUT],
        "b",
        ("b/thesis.txt", "b.log.json", "b.rejected/thesis.txt"),
        is_folder=True,
    ),
    "commission": Writer(
        ["commission", "data", "--name", "a", "--home", "home", "--html", OUT],
        "a.html",
        ("a.html",),
        forced=True,
    ),
    "adopt": Writer(
        ["adopt", "--site", "a", "--checked", "data/t.csv", "--home", "home", "--html", OUT],
        "a.html",
        ("a.html",),
        forced=True,
    ),
    "archive": Writer(
        ["archive", "data", "--bundle", "bundle", "--out", OUT],
        "results",
        ("results/thesis.txt",),
        is_folder=True,
    ),
    "benchmark": Writer(
        ["benchmark", "bundle", "--out", OUT],
        "measured",
        ("measured/benchmark.json", "measured/rounds.jsonl", "measured/field.jpg"),
        is_folder=True,
    ),
    "pack": Writer(
        ["pack", "--device", "raspberry-pi-5", "--bundle", "bundle", "--out", OUT],
        "p.tar",
        ("p.tar",),
        forced=True,
    ),
    "keygen": Writer(["keygen", "--out", OUT], "lab", ("lab.key", "lab.pub")),
    "report": Writer(
        ["report", "result.json", "--out", OUT],
        "README.html",
        ("README.html", "README.md", "README.csv", "README.svg"),
        forced=True,
    ),
    "history": Writer(
        ["history", "export", "--csv", "--out", OUT], "a.csv", ("a.csv",), forced=True
    ),
    "demo": Writer(
        ["demo", "--force", "--out", OUT],
        "project",
        ("project/summary.html", "project/bundles/mine/bundle.json", "project/run/thesis.txt"),
        is_folder=True,
    ),
}
WRITTEN = [(name, file) for name, writer in WRITERS.items() for file in writer.written]


@pytest.fixture
def place(tmp_path: Path, bundle: Path, finished_run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a user: pictures, a bundle, a finished run and a result."""
    folder = tmp_path / "place"
    (folder / "data" / "blast").mkdir(parents=True)
    for name in ("a.png", "b.png"):
        Image.effect_noise((64, 64), 90).convert("RGB").save(folder / "data" / name)
    shutil.copytree(bundle, folder / "bundle")
    shutil.copytree(finished_run.path, folder / "finished")
    (folder / "result.json").write_text("{}", encoding="utf-8")
    monkeypatch.setenv("ALLEDGE_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    History(tmp_path / "home").close()
    monkeypatch.chdir(folder)
    return folder


def run(writer: Writer, out: str | Path, *options: str) -> Result:
    arguments = [str(out) if argument == OUT else argument for argument in writer.arguments]
    return CliRunner().invoke(main, [*arguments, *options])


def content(folder: Path) -> dict[str, bytes]:
    """Return the content of every file in a folder, by name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def is_refused(result: Result, word: str, code: int = 2) -> bool:
    """Return whether a command ended with an error that says a word and how to go on."""
    return (
        result.exit_code == code
        and isinstance(result.exception, SystemExit)
        and word in result.stderr
        and "fix: " in result.stderr
    )


def test_every_command_is_known_to_write_or_not_to_write() -> None:
    assert set(COMMANDS) == {*WRITERS, *READS_ONLY}


@pytest.mark.parametrize(("name", "file"), WRITTEN)
def test_a_file_of_the_user_stays_and_is_named(place: Path, name: str, file: str) -> None:
    writer = WRITERS[name]
    (place / file).parent.mkdir(parents=True, exist_ok=True)
    (place / file).write_bytes(USERS)
    before = content(place)
    result = run(writer, writer.out)
    assert is_refused(result, Path(file).parts[0]), result.output
    assert content(place) == before
    if writer.forced:
        assert "--force" in result.stderr


@pytest.mark.parametrize("name", WRITERS)
def test_an_output_below_a_file_is_one_error(place: Path, name: str) -> None:
    (place / "file").write_bytes(USERS)
    before = content(place)
    result = run(WRITERS[name], Path("file", "x.html" if name == "report" else "x"))
    assert is_refused(result, "file"), result.output
    assert content(place) == before


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_that_cannot_be_written_is_one_error(
    place: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    before = content(place)
    result = run(WRITERS[name], "new.html")
    assert is_refused(result, "Permission denied"), result.output
    assert content(place) == before


@pytest.mark.parametrize("name", [name for name, writer in WRITERS.items() if writer.forced])
@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_force_replaces_regular_files_only(place: Path, name: str, kind: str) -> None:
    writer = WRITERS[name]
    path = place / writer.written[-1]
    (place / "elsewhere").write_bytes(USERS)
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(place / "elsewhere")
    elif hasattr(os, "mkfifo"):
        os.mkfifo(path)
    else:
        pytest.skip("no pipes in folders here")
    before = content(place)
    result = run(writer, writer.out, "--force")
    assert result.exit_code == 2
    assert kind in result.stderr or "directory" in result.stderr
    assert content(place) == before


@pytest.mark.parametrize("link", ["itself", "hard link", "link"])
def test_a_report_never_replaces_its_result(place: Path, link: str) -> None:
    out = place / "result.json"
    if link != "itself":
        out = place / "other.json"
        out.hardlink_to("result.json") if link == "hard link" else out.symlink_to("result.json")
    before = content(place)
    assert is_refused(run(WRITERS["report"], out, "--force"), "is an input")
    assert content(place) == before


@pytest.mark.parametrize("name", ["report.svg", "REPORT.MD", "x.csv"])
def test_a_page_with_the_name_of_a_file_beside_it_is_refused(place: Path, name: str) -> None:
    assert is_refused(run(WRITERS["report"], name, "--force"), "two outputs would have the name")


def test_a_pack_never_replaces_its_key_or_a_file_of_its_bundle(place: Path) -> None:
    (place / "lab.key").write_bytes(USERS)
    before = content(place)
    for out in ("lab.key", "bundle/MODEL_CARD.md", "bundle/bundle.json"):
        if (place / out).exists():
            result = run(WRITERS["pack"], out, "--sign", "lab.key", "--force")
            assert is_refused(result, "is an input"), result.output
    assert content(place) == before


def test_an_audit_never_replaces_a_file_of_its_data(place: Path) -> None:
    assert is_refused(run(WRITERS["audit"], "data/a.png", "--force"), "is an input")


def test_force_does_not_delete_what_the_user_put_into_a_bundle(place: Path) -> None:
    (place / "bundle" / "notes.txt").write_bytes(USERS)
    before = content(place)
    assert is_refused(run(WRITERS["export"], "bundle", "--force"), "notes.txt")
    assert content(place) == before


def test_force_deletes_nothing_but_the_results_in_the_folder_of_a_demo(place: Path) -> None:
    from alledge.train.demo.commands import prepare_folder

    demo = place / "demo"
    prepare_folder(demo)
    kept = [demo / "thesis.txt", demo / "bundles" / "mine" / "bundle.json"]
    for path in [*kept, demo / "run" / "run.json"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(USERS)
    prepare_folder(demo)
    assert (demo / "run" / "run.json").exists()
    with pytest.raises(UsageError, match="the results of a quick demo, not of a full one"):
        prepare_folder(demo, kind="full")
    prepare_folder(demo, force=True)
    assert not (demo / "run").exists()
    assert all(path.read_bytes() == USERS for path in kept)


@pytest.mark.parametrize("name", READS_ONLY)
def test_the_other_commands_write_nothing(place: Path, name: str) -> None:
    for label, image in (("blast", "a.png"), ("healthy", "b.png")):
        (place / "data" / label).mkdir(exist_ok=True)
        (place / "data" / image).rename(place / "data" / label / image)
    before = content(place)
    result = CliRunner().invoke(main, READS_ONLY[name])
    assert isinstance(result.exception, SystemExit | None)
    assert content(place) == before


# Modules that write files by themselves, and why that replaces no file of the user. Every other
# module uses `runtime.outputs`, or `replace_file` and `write_json` in a folder of alledge.
OWN_WRITES = {
    "runtime/files.py": "writes the record of a folder",
    "runtime/outputs.py": "the rule itself",
    "runtime/caches.py": "entries of the cache",
    "runtime/sized_cache.py": "entries of the cache",
    "runtime/regular_files.py": "opens files for reading",
    "runtime/terminal.py": "standard streams",
}


def test_no_other_module_opens_a_file_for_writing() -> None:
    found = set()
    for package in ("runtime", "benchmarks/reporting", "train/audit", "devices"):
        for path in (ROOT / package).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            tree = ast.parse(path.read_text(encoding="utf-8"))
            inside_with = _written_by_with(tree)
            calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
            if any(_opens_for_writing(call, inside_with) for call in calls):
                found.add(name)
    assert found <= {*OWN_WRITES, *FOLDERS_OF_THEIR_OWN}


FOLDERS_OF_THEIR_OWN = {
    "devices/pack/installer/install.py": "the installation",
    "devices/pack/packing.py": "a temporary folder",
    "devices/pack/pack_check.py": "a temporary folder",
    "devices/pack/packed_site.py": "a temporary folder",
    "devices/pack/pack_tar.py": "the temporary file that its caller publishes",
    "devices/pack/wheels.py": "a temporary folder",
    "runtime/archive/on_ray/worker.py": "a temporary folder",
}
WRITING: dict[str, Callable[[ast.Call], bool]] = {
    "write_text": lambda call: True,
    "write_bytes": lambda call: True,
    "open": lambda call: any(
        isinstance(value, ast.Constant) and str(value.value)[:1] in ("w", "a", "x")
        for value in [*call.args, *(keyword.value for keyword in call.keywords)]
    ),
}


def _written_by_with(tree: ast.AST) -> set[str]:
    """Return the names that ``with output_file(…) as NAME`` and ``replace_file`` give."""
    names = set()
    for node in ast.walk(tree):
        for item in node.items if isinstance(node, ast.With) else ():
            called = item.context_expr.func if isinstance(item.context_expr, ast.Call) else None
            if getattr(called, "id", "") in ("output_file", "replace_file"):
                names.add(getattr(item.optional_vars, "id", ""))
    return names


def _opens_for_writing(call: ast.Call, allowed: set[str]) -> bool:
    function = call.func
    name = getattr(function, "attr", getattr(function, "id", ""))
    if name not in WRITING or not WRITING[name](call):
        return False
    target = function.value if isinstance(function, ast.Attribute) else None
    return getattr(target, "id", None) not in allowed


def test_a_second_overlay_of_the_same_images_needs_force(place: Path) -> None:
    writer = WRITERS["classify"]
    before = content(place)
    assert run(writer, "data").exit_code == 0
    after = content(place)
    added = {"data/a.overlay.jpg", "data/b.overlay.jpg"}
    assert set(after) == {*before, *added}
    assert all(after[name] == before[name] for name in before)
    plain = CliRunner().invoke(main, ["classify", "data", "--bundle", "bundle", "--json"])
    assert len(plain.stdout.splitlines()) == 2  # an overlay is no image of the folder
    (place / "data" / "a.overlay.jpg").write_bytes(USERS)
    arguments = ["classify", "data/a.png", "data/b.png", "--bundle", "bundle", "--overlay", "data"]
    assert is_refused(CliRunner().invoke(main, arguments), "a.overlay.jpg")
    result = CliRunner().invoke(main, [*arguments, "--force", "--json"])
    assert result.exit_code == 0, result.output
    assert {json.loads(line)["overlay"] for line in result.stdout.splitlines()} == {
        str(Path(name)) for name in added
    }
    assert content(place).keys() == after.keys()
    assert (place / "data" / "a.overlay.jpg").read_bytes() != USERS
