"""Renders the templates of all pages: escaping, the shared base template and the style sheet."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import MissingPackageError

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

SHARED = Path(__file__).resolve().parent / "templates"
# "<" before one of these opens a tag or a comment in HTML, and so in Markdown.
TAG_OPENER = re.compile(r"<(?=[A-Za-z/!?])")


def render_page(
    template: Path, filters: Mapping[str, Callable[..., Any]] | None = None, **context: Any
) -> str:
    """Return a page made from a template.

    Parameters
    ----------
    template : Path
        A file. One that ends in ``.md`` or ``.md.j2`` is Markdown: tags are disarmed. In every
        other file all values are escaped for HTML, unless they are `markupsafe.Markup`. HTML
        templates extend ``base.html``.
    filters : mapping of str to callable, optional
        Further filters of the template.
    **context
        Variables and functions of the template.

    Returns
    -------
    str
        Ends with one newline.

    Raises
    ------
    MissingPackageError
        If Jinja2 is not installed.
    """
    environment = _environment(template.parent, template.name.endswith((".md", ".md.j2")))
    environment.filters.update(filters or {})
    return environment.get_template(template.name).render(**context).strip() + "\n"


def stylesheet() -> str:
    """Return the CSS of every page: the colours, then the rules."""
    return palette_css() + (SHARED / "page.css").read_text(encoding="utf-8")


def palette_css() -> str:
    """Return the CSS that defines the colours, light and dark."""
    return (SHARED / "palette.css").read_text(encoding="utf-8")


def markdown_text(value: Any) -> Any:
    """Return a value for Markdown; text in it can open no HTML tag."""
    return TAG_OPENER.sub("&lt;", value) if isinstance(value, str) else value


def image_uri(content: bytes, kind: str) -> str:
    """Return an image as a data URI, so that a page needs no second file.

    Parameters
    ----------
    content : bytes
        The encoded image.
    kind : {"png", "jpeg"}
    """
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _environment(folder: Path, markdown: bool) -> Environment:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
        from markupsafe import Markup
    except ModuleNotFoundError:
        raise MissingPackageError("jinja2", "report", "writing a page") from None
    environment = Environment(
        loader=FileSystemLoader([folder, SHARED], encoding="utf-8"),
        autoescape=not markdown,
        finalize=markdown_text if markdown else None,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def script(name: str) -> Markup:
        # The content security policy lists the digest of the script, so it must be exact.
        return Markup((folder / name).read_text(encoding="utf-8"))

    def script_digest(name: str) -> str:
        digest = hashlib.sha256(script(name).encode("utf-8")).digest()
        return "sha256-" + base64.b64encode(digest).decode("ascii")

    environment.globals.update(
        stylesheet=Markup(stylesheet()), script=script, script_digest=script_digest
    )
    return environment
