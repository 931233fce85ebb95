"""The page of a quick demo counts right answers, shows pictures, and escapes every text."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from alledge.errors import UsageError
from alledge.runtime.bundle import builtin
from alledge.train.demo.quick_demo import run_quick_demo
from alledge.train.demo.quick_page import write_page
from alledge.train.runs.run_folder import Run
from support.markup import MARKUP, injected, poison


@pytest.fixture
def demo(finished_run: Run, tmp_path: Path) -> Path:
    """The folder of a demo with two new smears: one blast, and none."""
    for folder in ("run", "new/im", "new/xyc"):
        (tmp_path / folder).mkdir(parents=True)
    record = json.loads((finished_run.path / "run.json").read_text(encoding="utf-8"))
    (tmp_path / "run" / "run.json").write_text(json.dumps(record), encoding="utf-8")
    for stem, centroids in (("Im001_1", "4\t4\n"), ("Im002_0", "")):
        Image.new("RGB", (8, 8)).save(tmp_path / "new" / "im" / f"{stem}.jpg")
        (tmp_path / "new" / "xyc" / f"{stem}.xyc").write_text(centroids, encoding="ascii")
    return tmp_path


def answer(image: Path, label: str | None, *flags: str) -> str:
    counts = None if label is None else {"blasts": int(label == "blast"), "leucocytes": 3}
    record: dict[str, Any] = {"image": str(image), "overlay": str(image), "label": label}
    record |= {"probability": None if label is None else 0.75, "flags": flags, "counts": counts}
    return json.dumps({**record, "status": "review" if flags else "ok"})


def outputs(demo: Path, *, flag: str = "off_domain", verdict: str = "pass") -> dict[str, str]:
    blast, healthy = demo / "new/im/Im001_1.jpg", demo / "new/im/Im002_0.jpg"
    before = [answer(blast, "healthy", flag), answer(healthy, None, flag)]
    after = [answer(blast, "blast"), answer(healthy, "healthy")]
    return {
        "builtin": "\n".join(before),
        "classify": "\n".join(after),
        "verify": json.dumps({"verdict": verdict}),
    }


def test_the_page_counts_the_fields_with_the_label_of_what_was_drawn(demo: Path) -> None:
    html = write_page(demo, outputs(demo), ["alledge train"]).read_text(encoding="utf-8")
    assert "<b>0 of 2 (0–66 %)</b>" in html
    assert "<b>2 of 2 (34–100 %)</b>" in html
    assert "2 of them are sent to a person" in html
    assert html.count("data:image/jpeg;base64,") == 4
    assert "no label" in html


def test_markup_in_every_text_stays_text(demo: Path) -> None:
    record = json.loads((demo / "run" / "run.json").read_text(encoding="utf-8"))
    poisoned = poison(record, ("schema",), keyed=("versions",))
    (demo / "run" / "run.json").write_text(json.dumps(poisoned), encoding="utf-8")
    texts = outputs(demo, flag=MARKUP, verdict=MARKUP)
    html = write_page(demo, texts, [MARKUP]).read_text(encoding="utf-8")
    assert html.count("&lt;img src=x onerror=alert(1)&gt;") >= 5
    assert not injected(html)


def test_a_quick_demo_without_a_built_in_bundle_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtin, "FOLDER", tmp_path / "not built")
    with pytest.raises(UsageError, match="contains no bundle") as caught:
        run_quick_demo(tmp_path / "demo")
    assert "alledge demo --full" in str(caught.value)
    assert not (tmp_path / "demo").exists()
