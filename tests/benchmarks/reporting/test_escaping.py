"""No text of a result becomes markup in the page, in a chart or in Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from click.testing import Result

from alledge.benchmarks.reporting import report
from support.markup import MARKUP, escaped, injected, poison

Json = dict[str, Any]
Run = Callable[..., Result]
CREATED = "created"
CASES = {
    "all texts but the kind of a row": ("ok", "measured", "estimated"),
    "the kind of a row too": ("ok",),
}


@pytest.fixture(autouse=True)
def _unchecked_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the check of results, which refuses most of these texts, to test the escaping alone."""
    monkeypatch.setattr(report, "read_result", lambda path: json.loads(Path(path).read_bytes()))


def check(files: list[Path]) -> None:
    """Assert that the files of a report hold markup as text, and none of it as markup."""
    page, markdown, *pictures = [path for path in files if path.suffix in (".html", ".md", ".svg")]
    html = page.read_text(encoding="utf-8")
    assert escaped(html)
    assert not injected(html, scripts=1)
    assert not re.search("<(img|script)", markdown.read_text(encoding="utf-8"))
    assert pictures
    for picture in pictures:
        root = ElementTree.parse(picture).getroot()
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert not tags & {"img", "script", "image", "foreignObject"}
        names = {name for element in root.iter() for name in element.attrib}
        assert not any(name.startswith("on") for name in names)


def files_of(page: Path) -> list[Path]:
    """Return the files of a report: the page, Markdown, pictures."""
    return [page, page.with_suffix(".md"), *sorted(page.parent.glob(f"{page.stem}*.svg"))]


@pytest.mark.parametrize("kept", CASES.values(), ids=CASES)
def test_markup_in_every_text_of_a_result_stays_text(
    run: Run, document: Json, estimated: Callable[[Json], Json], tmp_path: Path, kept: tuple[str]
) -> None:
    keep = (*kept, "schema", "sha256")
    paths = []
    for name, content in (("here", document), ("there", estimated(document))):
        paths.append(tmp_path / f"{name}.json")
        content["settings"]["image"]["source"] = "elsewhere"  # "data" is also a key
        poisoned = poison(content, keep, keyed=("versions",))
        paths[-1].write_text(json.dumps(poisoned), encoding="utf-8")
    answer = run("report", *paths, "--out", tmp_path / "report.html")
    assert answer.exit_code == 0, answer.output
    check(files_of(tmp_path / "report.html"))


def test_markup_in_a_failed_row_stays_text(run: Run, document: Json, tmp_path: Path) -> None:
    document["rows"][0] |= {"status": "failed", "why": MARKUP, "bundle": MARKUP, "backend": MARKUP}
    (tmp_path / "one.json").write_text(json.dumps(document), encoding="utf-8")
    answer = run("report", tmp_path / "one.json", "--out", tmp_path / "report.html")
    assert answer.exit_code == 0, answer.output
    check(files_of(tmp_path / "report.html"))


@pytest.mark.parametrize("key", ["model", "precision", "backend", "kind"])
def test_control_characters_in_a_name_do_not_break_a_chart(
    run: Run, document: Json, tmp_path: Path, key: str
) -> None:
    for row in document["rows"]:
        row[key] = "a\x00\x1b[31m\nb$\\frac{$" + "c" * 200
    (tmp_path / "one.json").write_text(json.dumps(document), encoding="utf-8")
    answer = run("report", tmp_path / "one.json", "--out", tmp_path / "report.html")
    assert answer.exit_code == 0, answer.output
    ElementTree.parse(tmp_path / "report.svg")


def test_only_the_script_of_the_page_may_run(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert re.search(r"script-src 'sha256-[\w+/=]+'$", policy[1])
    assert "unsafe-inline" not in policy[1].partition("script-src")[2]
