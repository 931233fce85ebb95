"""Texts that would fool the reader of a terminal or a spreadsheet."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

# A new line that looks like a result, colours, a carriage return, C1, directions, separators,
# markup of rich, mathematics of matplotlib.
HOSTILE = (
    "a\nslide.jpg  healthy  0.1%\r\x1b[31m\x1b]0;title\x07\x08\x9b2J\u202egpj\u2066\u2028\u2029"
    "[red]$\\frac{1}{2}$\ud800\u200f"
)
NOT_SHOWN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def make_hostile(document: Any, keep: Collection[str] = ()) -> Any:
    """Return a document with hostile text after each of its texts.

    Parameters
    ----------
    document : dict or list
        JSON.
    keep : collection of str
        Keys whose values stay, because the code compares them.
    """
    if isinstance(document, dict):
        return {
            key: value if key in keep else make_hostile(value, keep)
            for key, value in document.items()
        }
    if isinstance(document, list):
        return [make_hostile(value, keep) for value in document]
    return document + HOSTILE if isinstance(document, str) else document


def is_harmless(output: str) -> bool:
    """Return whether text for a terminal has no control character but the newline."""
    return NOT_SHOWN.search(output) is None
