"""`benchmarks/internal` and `benchmarks/suite` are not installed: installed code uses neither."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOT_INSTALLED = (
    ("alledge", "benchmarks", "internal"),
    ("alledge", "benchmarks", "suite"),
    ("alledge", "tests"),
)
FOLDERS = ("benchmarks", "devices", "export", "runtime", "train")
INSTALLED = sorted(
    path
    for path in (
        *ROOT.glob("*.py"),
        *(file for name in FOLDERS for file in (ROOT / name).rglob("*.py")),
    )
    if path.relative_to(ROOT).parts[:2] not in (("benchmarks", "internal"), ("benchmarks", "suite"))
)


def imported_modules(source: str, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the absolute name of each import and of each imported name, as tuples of parts."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else ()
            module = (*parents, *(node.module.split(".") if node.module else ()))
            yield from ((*module, alias.name) for alias in node.names)


def forbidden(source: str, package: tuple[str, ...]) -> list[str]:
    return [
        ".".join(module)
        for module in imported_modules(source, package)
        if any(module[: len(prefix)] == prefix for prefix in NOT_INSTALLED)
    ]


def test_installed_code_imports_no_code_that_is_not_installed() -> None:
    assert len(INSTALLED) > 100
    wrong = {}
    for path in INSTALLED:
        package = ("alledge", *path.relative_to(ROOT).parts[:-1])
        if names := forbidden(path.read_text(encoding="utf-8"), package):
            wrong[path.relative_to(ROOT).as_posix()] = names
    assert wrong == {}


@pytest.mark.parametrize(
    "source",
    [
        "from ..internal.hangs import main",
        "from .. import internal",
        "from alledge.benchmarks.internal import hangs",
        "import alledge.benchmarks.suite.conftest",
        "def late():\n    from ..suite import conftest",
    ],
)
def test_the_check_finds_each_form_of_import(source: str) -> None:
    assert forbidden(source, ("alledge", "benchmarks", "measuring"))
