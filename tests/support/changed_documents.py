"""Changes JSON documents in every place, for tests that no change ends in a traceback.

The tests try a sample. ``ALLEDGE_FUZZ=all`` tries every change.
"""

from __future__ import annotations

import copy
import json
import os
import random
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from alledge.cli import main

ITEMS = 2  # of each list whose entries are changed
LONG = "x" * 20_000
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 2, 0.5, -0.5, 1e308, 10**30, float("nan"), float("inf"),
    "", "x", "\0", "é\u202e", LONG, [], [None], [[1]], {}, {"a": None},
)  # fmt: skip
Path_ = tuple["str | int", ...]


def paths(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of every value in a document, and of the first entries of its lists."""
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value[:ITEMS]):
            yield from paths(item, (*path, index))


def changes(document: Any) -> Iterator[tuple[str, Any]]:
    """Yield a name and a changed copy: each value replaced, removed, and beside a new key."""
    for path in paths(document):
        for value in VALUES:
            yield f"{path} = {value!r:.20}", _replaced(document, path, value)
        if path:
            yield f"{path} removed", _removed(document, path)
        yield f"{path} with a new key", _extended(document, path)


def sample(document: Any, count: int, seed: int = 0) -> list[tuple[str, Any]]:
    """Return some of the changes of a document; all of them if ALLEDGE_FUZZ is ``all``."""
    every = list(changes(document))
    if os.environ.get("ALLEDGE_FUZZ") == "all":
        return every
    return random.Random(seed).sample(every, min(count, len(every)))


def tracebacks(
    document: Any, count: int, target: Path | Callable[[Any], object], *command: object
) -> list[str]:
    """Return the changes with which a command ends in a traceback, and the last line of each.

    Parameters
    ----------
    document : JSON value
        It is changed and written to `target` before each run of the command.
    count : int
        How many changes are tried.
    target : Path or callable
        The file of the document, or what writes it.
    command : words
        Of the command line.
    """
    failures, tried = [], sample(document, count)
    for name, changed in tried:
        if isinstance(target, Path):
            target.write_text(json.dumps(changed), encoding="utf-8")
        else:
            target(changed)
        if failure := traceback_of(run(*command)):
            failures.append(f"{name}: {failure}")
    if os.environ.get("ALLEDGE_FUZZ") == "all":
        print(f"{command}: {len(tried)} changes, {len(failures)} tracebacks")
    return failures


def run(*command: object) -> Result:
    """Run a command line in this process."""
    return CliRunner().invoke(main, [str(word) for word in command])


def traceback_of(result: Result) -> str | None:
    """Return the end of the traceback of a command; None if there is none."""
    error = result.exception
    if error is None or isinstance(error, SystemExit):
        return None
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " < ".join(f"{Path(one.filename).name}:{one.lineno}" for one in reversed(frames))
    return f"{type(error).__name__}: {str(error)[:100]} at {places}"


def _parent(document: Any, path: Path_) -> Any:
    for key in path[:-1]:
        document = document[key]
    return document


def _replaced(document: Any, path: Path_, value: Any) -> Any:
    if not path:
        return value
    result = copy.deepcopy(document)
    _parent(result, path)[path[-1]] = value
    return result


def _removed(document: Any, path: Path_) -> Any:
    result = copy.deepcopy(document)
    del _parent(result, path)[path[-1]]
    return result


def _extended(document: Any, path: Path_) -> Any:
    result = copy.deepcopy(document)
    value = _parent(result, path)[path[-1]] if path else result
    if isinstance(value, dict):
        value["new key"] = 1
    elif isinstance(value, list):
        value.append(1)
    return result
