"""Which operator versions a TFLite runtime knows: asked of the runtimes themselves, kept as data.

``python -m alledge.devices.opcodes MODEL.tflite`` asks the runtime installed here and prints its
row of ``opcodes.json``; the model must use CONV_2D, as any of a bundle's does.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from .tflite_file import MODEL_OPCODES, NAMES, OPCODE_CODE, OPCODE_OLD_CODE, OPCODE_VERSION
from .tflite_file import _Buffer as Buffer

TABLE = "opcodes.json"
CONV_2D = 3
NEWEST_TRIED = 30
UNKNOWN = "Didn't find op"


def known_versions() -> dict[str, dict[str, int]]:
    """Return, by package and version, the newest version of each operator a runtime knows."""
    text = resources.files(__package__).joinpath(TABLE).read_text(encoding="utf-8")
    table: dict[str, dict[str, int]] = json.loads(text)["engines"]
    return table


def nearest(package: str, version: str, engines: Iterable[str]) -> str | None:
    """Return the engine that was asked and is nearest to an installed one, but no newer.

    Parameters
    ----------
    package, version : str
        Of the installed runtime.
    engines : iterable of str
        ``"package version"``, as `known_versions` names them.
    """
    rows = (row.rpartition(" ") for row in engines)
    asked = [(_numbers(one), f"{name} {one}") for name, _, one in rows if name == package]
    return max((row for row in asked if row[0] <= _numbers(version)), default=(None, None))[1]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


def too_new(used: dict[str, int], known: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Return the operators that a runtime cannot run: the version used, and the newest it knows.

    Parameters
    ----------
    used : dict of str to int
        As `tflite_file.opcode_versions`.
    known : dict of str to int
        Of one runtime; an operator it does not name counts as unknown to the runtime.
    """
    return {
        name: (version, known.get(name, 0))
        for name, version in used.items()
        if version > known.get(name, 0)
    }


def ask(model: bytes, interpreter: Callable[..., Any]) -> dict[str, int]:
    """Return what one runtime knows, by letting a runtime resolve every version in turn.

    Parameters
    ----------
    model : bytes
        Of a model that uses CONV_2D in a version above 1; it is never run.
    interpreter : callable
        The runtime's ``Interpreter``.

    Notes
    -----
    The entry of CONV_2D in the model's operator table is made another operator, version by
    version. Operators are resolved before anything is computed, so the rest need not fit.
    """
    buffer = Buffer(model)
    for table in buffer.tables(buffer.number("I", 0), MODEL_OPCODES):
        places = [
            buffer.field(table, index) for index in (OPCODE_OLD_CODE, OPCODE_CODE, OPCODE_VERSION)
        ]
        if all(places) and buffer.number("i", places[1]) == CONV_2D:
            break
    else:
        raise ValueError("no CONV_2D above version 1 is in this model")
    known = {}
    for code, name in NAMES.items():
        for version in range(1, NEWEST_TRIED + 1):
            changed = bytearray(model)
            changed[places[0]] = code
            changed[places[1] : places[1] + 4] = code.to_bytes(4, "little")
            changed[places[2] : places[2] + 4] = version.to_bytes(4, "little")
            if not _resolves(interpreter, bytes(changed)):
                break
            known[name] = version
    return known


def _resolves(interpreter: Callable[..., Any], model: bytes) -> bool:
    try:
        interpreter(model_content=model, num_threads=1)
    except (ValueError, RuntimeError) as error:
        return UNKNOWN not in str(error)
    return True


def main() -> None:
    """Print the row of the runtime that is installed here."""
    from ..runtime.backends.tflite import interpreter_class

    interpreter, engine = interpreter_class()
    known = ask(Path(sys.argv[1]).read_bytes(), interpreter)
    print(json.dumps({engine: dict(sorted(known.items()))}))


if __name__ == "__main__":
    main()
