"""The page that ends a demo names what its figures come from."""

import json
from pathlib import Path

from alledge.train.demo.summary_page import write_page
from alledge.train.runs.run_folder import Run


def test_the_page_names_fingerprints_versions_seed_and_commit(
    finished_run: Run, tmp_path: Path
) -> None:
    record = json.loads((finished_run.path / "run.json").read_text(encoding="utf-8"))
    record["code"] = {"version": "1.2.3", "commit": "0123456789ab"}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(json.dumps(record), encoding="utf-8")
    measured = {"operating": record["oof"], "data": {"fingerprint": "sha256:new"}}
    answers = {
        "classify": "",
        "evaluate": json.dumps(measured),
        "verify": json.dumps({"verdict": "pass", "backends": {}}),
    }
    html = write_page(tmp_path, answers, ["alledge train"]).read_text(encoding="utf-8")
    wanted = [record["data"]["fingerprint"], "sha256:new", f"Seed {record['seed']}."]
    wanted += ["alledge 1.2.3, commit 0123456789ab; "]
    wanted += [f"{name} {version}" for name, version in record["versions"].items()]
    for words in wanted:
        assert words in html
