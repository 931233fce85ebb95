"""The house: which room may import which, and what a file of it must begin with."""

import ast
import configparser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = {
    "runtime": set(),
    "train": {"runtime"},
    "export": {"train", "runtime"},
    "devices": {"runtime"},
    "benchmarks": {"runtime", "devices"},
}
TENSORFLOW_ROOMS = {"train", "export"}
TENSORFLOW = {"tensorflow", "keras"}
FILES = [
    path
    for room in ROOMS
    for path in sorted((ROOT / room).rglob("*.py"))
    if "suite" not in path.relative_to(ROOT).parts
]


def imports_of(path: Path) -> tuple[set[str], set[str]]:
    """Return the rooms and the foreign top-level modules that a file names, wherever in it."""
    rooms: set[str] = set()
    foreign: set[str] = set()
    inside = path.relative_to(ROOT).parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            foreign |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            foreign.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.ImportFrom):
            module = node.module or node.names[0].name
            above = inside[: len(inside) - node.level]
            rooms.add((*above, *module.split("."))[0])
    return rooms, foreign


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_room_imports_only_the_rooms_it_may(path):
    room = path.relative_to(ROOT).parts[0]
    rooms, foreign = imports_of(path)
    assert rooms & set(ROOMS) <= ROOMS[room] | {room}
    assert "alledge" not in foreign, "inside the house imports are relative"
    if room not in TENSORFLOW_ROOMS:
        assert not foreign & TENSORFLOW


def test_the_layout_test_sees_imports(tmp_path):
    rooms, _ = imports_of(ROOT / "train" / "commands.py")
    assert "runtime" in rooms


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_module_says_what_it_holds(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_every_public_name_of_a_room_is_documented():
    silent = []
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not (
                node.name.startswith("_") or ast.get_docstring(node)
            ):
                silent.append(f"{path.relative_to(ROOT).as_posix()}:{node.name}")
    assert not silent


def test_every_text_file_is_opened_with_an_encoding():
    """What Windows reads as cp1252 is another text."""
    careless = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("read_text", "write_text")
                and not any(word.arg == "encoding" for word in node.keywords)
            ):
                careless.append(f"{path.relative_to(ROOT).as_posix()}:{node.lineno}")
    assert not careless


def test_every_package_is_listed_for_installing():
    """Setuptools finds no packages below a root that is a package itself, so they are listed."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    folders = {path.parent for room in ROOMS for path in (ROOT / room).rglob("__init__.py")}
    names = {".".join(("alledge", *folder.relative_to(ROOT).parts)) for folder in folders}
    names -= {"alledge.benchmarks.internal"}
    assert setup["options"]["packages"].split() == ["alledge", *sorted(names)]
    for package, patterns in setup["options.package_data"].items():
        folder = ROOT.joinpath(*package.split(".")[1:])
        assert all(list(folder.glob(pattern.strip())) for pattern in patterns.split(","))
