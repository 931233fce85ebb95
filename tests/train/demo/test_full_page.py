"""The page that ends a demo names its sources, and escapes every text."""

import json
from pathlib import Path

from PIL import Image

from alledge.train.demo.full_page import write_page
from alledge.train.runs.run_folder import Run
from support.markup import MARKUP, injected, poison


def test_the_page_names_fingerprints_versions_seed_and_commit(
    finished_run: Run, tmp_path: Path
) -> None:
    record = json.loads((finished_run.path / "run.json").read_text(encoding="utf-8"))
    record["code"] = {"version": "1.2.3", "commit": "0123456789ab"}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(json.dumps(record), encoding="utf-8")
    measured = {"operating": record["oof"], "data": {"fingerprint": "sha256:new"}}
    outputs = {
        "classify": "",
        "evaluate": json.dumps(measured),
        "verify": json.dumps({"verdict": "pass", "backends": {}}),
    }
    html = write_page(tmp_path, outputs, ["alledge train"]).read_text(encoding="utf-8")
    expected = [record["data"]["fingerprint"], "sha256:new", f"Seed {record['seed']}."]
    expected += ["alledge 1.2.3, commit 0123456789ab; "]
    expected += [f"{name} {version}" for name, version in record["versions"].items()]
    for text in expected:
        assert text in html


def test_markup_in_every_text_of_a_demo_stays_text(finished_run: Run, tmp_path: Path) -> None:
    record = json.loads((finished_run.path / "run.json").read_text(encoding="utf-8"))
    (tmp_path / "run").mkdir()
    poisoned = poison(record, ("schema",), keyed=("versions",))
    (tmp_path / "run" / "run.json").write_text(json.dumps(poisoned), encoding="utf-8")
    Image.new("RGB", (8, 8)).save(tmp_path / "field.png")
    smear = {"label": MARKUP, "probability": 0.5, "flags": [MARKUP]}
    figures = {"status": MARKUP, "engine": MARKUP, "here": {"max_dp": 0.0}}
    figures["float"] = {"max_dp": 0.0, "lost_positives": MARKUP}
    measured = {"operating": record["oof"], "data": {"fingerprint": MARKUP}}
    outputs = {
        "classify": json.dumps({**smear, "image": str(tmp_path / "field.png")}),
        "evaluate": json.dumps(measured),
        "verify": json.dumps({"verdict": MARKUP, "backends": {MARKUP: figures}}),
    }
    html = write_page(tmp_path, outputs, [MARKUP]).read_text(encoding="utf-8")
    assert html.count("&lt;img src=x onerror=alert(1)&gt;") >= 10
    assert not injected(html)
