"""Puts markup into the texts of a document, and looks for markup that a page did not escape."""

from __future__ import annotations

from collections.abc import Collection
from html.parser import HTMLParser
from typing import Any

MARKUP = """"'><img src=x onerror=alert(1)><script>alert({number})</script>&"""
PAGE_TAGS = {"style", "script"}


def poison(document: Any, keep: Collection[str], keyed: Collection[str] = ()) -> Any:
    """Return a document with markup in place of its texts; equal texts stay equal.

    Parameters
    ----------
    document : dict or list
        JSON.
    keep : collection of str
        Texts that the code compares with, and keys whose texts stay.
    keyed : collection of str
        Keys of objects whose own keys are data, such as class labels, and become markup too.
    """
    replacements: dict[str, str] = {}

    def text(value: str) -> str:
        number = len(replacements)
        return replacements.setdefault(value, MARKUP.replace("{number}", str(number)))

    def walk(value: Any, name: str, keys_are_data: bool) -> Any:
        if isinstance(value, dict):
            return {
                (text(key) if keys_are_data or key in replacements else key): walk(
                    item, key, key in keyed
                )
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [walk(item, name, keys_are_data) for item in value]
        if isinstance(value, str) and name not in keep and value not in keep:
            return text(value)
        return value

    walk(document, "", False)  # collects the texts, so that keys that equal one are replaced too
    return walk(document, "", False)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.injected: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.scripts += tag == "script"
        if values.get("src") == "x" or any(name.startswith("on") for name in values):
            self.injected.append(self.get_starttag_text() or tag)


def injected(page: str, scripts: int = 0) -> list[str]:
    """Return the tags of a page that come from `poison`; `scripts` is the number of its own."""
    tags = _Tags()
    tags.feed(page)
    extra = ["<script>"] * (tags.scripts - scripts)
    return tags.injected + extra


def escaped(page: str) -> bool:
    """Return whether a page shows markup as text, so that a test knows that it was there."""
    return "&lt;img src=x onerror=alert(1)&gt;" in page
