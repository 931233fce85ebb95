"""Prints text: the only module that writes to the standard streams; standard library only.

Names of files, labels, bundles and cameras are data of others. A control character in one could
move the cursor, change colours or begin a line that looks like a result. So each is printed as an
escape sequence that can be read back: ``\\n``, ``\\x1b``, ``\\u202e``.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO, TypeVar

from .interrupts import held

D = TypeVar("D")

# Control characters (C0 without tab and newline, C1), separators of lines and paragraphs, marks
# that change the direction of writing, and bytes that are no UTF-8 (surrogates).
CONTROL = (  # not compiled at import, which takes 1 ms: most texts have none of these
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069"
    "\\ud800-\\udfff]"
)
STDIN, STDOUT, STDERR = 0, 1, 2


def printable(text: str) -> str:
    """Return text on one line: every character that cannot be seen is an escape sequence.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> print(printable("a.jpg\\nb.jpg\\x1b[31m"))
    a.jpg\\nb.jpg\\x1b[31m
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def escape_controls(text: str) -> str:
    """Return text of several lines; control characters but newline and tab are escape sequences.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    if all(map(str.isprintable, text.split("\n"))):
        return text
    return re.sub(CONTROL, lambda match: _escape(match[0]), text)


def printable_document(document: D) -> D:
    """Return a copy of a JSON document in which each string, keys included, is `printable`.

    Parameters
    ----------
    document : dict, list, str, number or None
        Tuples become lists.

    Returns
    -------
    of the same type
    """
    if isinstance(document, str):
        return printable(document)  # type: ignore[return-value]
    if isinstance(document, Mapping):
        return {  # type: ignore[return-value]
            printable_document(key): printable_document(value) for key, value in document.items()
        }
    if isinstance(document, list | tuple):
        return [printable_document(value) for value in document]  # type: ignore[return-value]
    return document


def echo(text: str, err: bool = False) -> None:
    """Print text and a newline, and flush.

    Parameters
    ----------
    text : str
        May have several lines. Control characters are escaped.
    err : bool
        Print to standard error. A failure there is ignored: nobody could read about it.

    Raises
    ------
    OSError
        If standard output cannot be written.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is None:  # a program without a console, which did not call `repair_streams`
        return
    with contextlib.suppress(OSError) if err else held():
        stream.write(f"{escape_controls(text)}\n")
        stream.flush()


def show(document: D, as_json: bool, text_of: Callable[[D], str]) -> None:
    """Print a document, as JSON or as the text that a function makes of it.

    Parameters
    ----------
    document : dict or list
        A JSON document.
    as_json : bool
    text_of : callable
        Returns the text of a document. It gets a document whose strings are `printable`.

    Raises
    ------
    OSError
        As `echo`.
    """
    echo(json.dumps(document, indent=2) if as_json else text_of(printable_document(document)))


def use_utf8() -> None:
    """Write standard output in UTF-8 from now on, unless it is a terminal."""
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper) and not stream.isatty():
        stream.reconfigure(encoding="utf-8")


def repair_streams() -> None:
    """Give this process a file behind each of its standard streams.

    A stream that the caller closed gets the null device, so that the next file that is opened
    does not become standard output. Writing to a standard output that was closed still fails;
    errors of standard error are ignored.
    """
    for handle, mode in ((STDIN, os.O_RDONLY), (STDOUT, os.O_RDONLY), (STDERR, os.O_WRONLY)):
        try:
            os.fstat(handle)
        except OSError:
            null = os.open(os.devnull, mode)
            if null != handle:
                os.dup2(null, handle)
                os.close(null)
            os.set_inheritable(handle, True)
    if sys.stdin is None:
        sys.stdin = open(STDIN, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None or not sys.stdout.isatty():
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_OutputFile(STDOUT, "wb", closefd=False)), **_settings(sys.stdout)
        )
    if sys.stderr is None or not sys.stderr.isatty():
        file: Any = _TolerantFile(STDERR, "wb", closefd=False)
        sys.stderr = io.TextIOWrapper(file, **_settings(sys.stderr), write_through=True)


def _settings(stream: TextIO | None) -> dict[str, Any]:
    """Return encoding and error handling of a stream; UTF-8 for one that is closed."""
    encoding = "utf-8" if stream is None else stream.encoding
    return {"encoding": encoding, "errors": "backslashreplace"}


class _TolerantFile(io.FileIO):
    """A file that loses what cannot be written to it."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content) or 0
        except OSError:
            return len(content)


class _OutputFile(io.FileIO):
    """Standard output, with the first error of writing to it."""

    error: OSError | None = None

    def write(self, content: Any) -> int:
        try:
            return super().write(content) or 0
        except OSError as error:
            self.error = self.error or error
            raise


def output_error() -> OSError | None:
    """Return why standard output could not be written since the last call; None if all was.

    After an error, standard output is the null device, so that nothing fails a second time.
    """
    error = None
    try:
        sys.stdout.flush()
    except OSError as now:
        error = now
    file = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if isinstance(file, _OutputFile):
        error, file.error = file.error or error, None  # reported once
    if error is not None:
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, STDOUT)
            os.close(null)
            sys.stdout.flush()
    return error


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
