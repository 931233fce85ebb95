"""Finds the labels that differ only in case, Unicode form, blanks or a dot at the end."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable


def label_key(label: str) -> str:
    """Return what all spellings of a label have in common: without case, outer blanks and dots."""
    return _plain_label(label).casefold()


def _plain_label(label: str) -> str:
    """Return a label in one Unicode form, with single blanks and without a dot at its end."""
    return " ".join(unicodedata.normalize("NFC", label).split()).rstrip(". ") or label


def one_spelling(labels: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """Return one spelling of each label, and notes about the labels with several spellings.

    macOS, Windows and Linux keep case, Unicode forms, blanks and dots of a folder's name
    differently: ``Blast`` and ``blast`` are one class.

    Parameters
    ----------
    labels : iterable of str

    Returns
    -------
    dict of str to str
        Label as given -> its one spelling.
    list of str

    Examples
    --------
    >>> one_spelling(["Blast", "blast ", "healthy"])[0]
    {'Blast': 'Blast', 'blast ': 'Blast', 'healthy': 'healthy'}
    """
    spellings: dict[str, list[str]] = {}
    for label in sorted(set(labels)):
        spellings.setdefault(label_key(label), []).append(label)
    notes = [
        f"one class in several spellings: {', '.join(map(repr, same))}"
        for same in spellings.values()
        if len(same) > 1
    ]
    one_of = {label: _plain_label(same[0]) for same in spellings.values() for label in same}
    return one_of, notes
