"""Keeps expensive test inputs under ``.cache/``, keyed by the code that builds them.

The key covers the code of the given modules and of every project module that they import,
without comments and docstrings: a prose edit or a change elsewhere rebuilds nothing.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import platform
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = Path(__file__).resolve().parent
CACHE = ROOT / ".cache"
# The libraries whose versions change what is built.
LIBRARIES = ("numpy", "pillow", "tensorflow", "tensorflow-cpu", "keras", "onnx", "onnxruntime",
             "openvino", "scikit-learn", "ai-edge-litert")  # fmt: skip


def cached(name: str, sources: tuple[str, ...], build: Callable[[Path], object]) -> Path:
    """Return the folder that `build` writes, from the cache where the code is unchanged.

    Several processes may ask for the same folder: one builds it, the others wait.

    Parameters
    ----------
    name : str
        Of the folder; an older version of the same name is deleted.
    sources : tuple of str
        The modules that build it, as paths relative to the repository root.
    build : callable
        Called with the path of the folder to create.

    Returns
    -------
    Path
        The folder; tests only read it.
    """
    CACHE.mkdir(exist_ok=True)
    folder = CACHE / f"{name}-{code_key(sources)}"
    with FileLock(CACHE / f"{name}.lock"):
        if not folder.exists():
            for old in CACHE.glob(f"{name}-{'[0-9a-f]' * 16}"):
                shutil.rmtree(old, ignore_errors=True)
            partial = CACHE / f"{name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            build(partial)
            partial.rename(folder)
    return folder


def code_key(sources: tuple[str, ...]) -> str:
    """Return 16 hexadecimal digits that name the code behind these modules.

    Parameters
    ----------
    sources : tuple of str
        Paths relative to the repository root.
    """
    digest = hashlib.sha256(platform.machine().encode())
    for package in LIBRARIES:
        try:
            digest.update(f"{package} {version(package)}\n".encode())
        except PackageNotFoundError:
            continue
    for path in sorted(imported_files(tuple(ROOT / source for source in sources))):
        digest.update(path.relative_to(ROOT).as_posix().encode() + _code(path))
    return digest.hexdigest()[:16]


def imported_files(paths: tuple[Path, ...]) -> set[Path]:
    """Return these files and all project files that they import, directly or not."""
    files: set[Path] = set()
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path not in files:
            files.add(path)
            waiting += _imports(path)
    return files


@functools.cache
def _code(path: Path) -> bytes:
    """Return the syntax tree of a module as text, without docstrings and positions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
            and ast.get_docstring(node, clean=False) is not None
        ):
            node.body = node.body[1:]
    return ast.dump(tree).encode()


@functools.cache
def _imports(path: Path) -> list[Path]:
    """Return the project files that a module imports, wherever in it."""
    files: list[Path] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            for parts in _modules(path, node):
                files += _files(parts)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "alledge":
                    files += _files(tuple(alias.name.split(".")[1:]))
    return files


def _modules(path: Path, node: ast.ImportFrom) -> Iterator[tuple[str, ...]]:
    """Yield the modules that a statement may name, as parts of a path below the root."""
    module = tuple(node.module.split(".")) if node.module else ()
    if node.level:
        parents = path.relative_to(ROOT).parts
        module = (*parents[: len(parents) - node.level], *module)
    elif module[:1] == ("alledge",):
        module = module[1:]
    elif module[:1] == ("support",):
        module = ("tests", *module)
    else:
        return
    yield module
    for alias in node.names:
        yield (*module, alias.name)


def _files(parts: tuple[str, ...]) -> list[Path]:
    candidates = (ROOT.joinpath(*parts).with_suffix(".py"), ROOT.joinpath(*parts, "__init__.py"))
    return [path for path in candidates if parts and path.is_file()]
