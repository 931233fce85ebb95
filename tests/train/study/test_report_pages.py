"""The pages of a study: tables of two splits side by side, charts and sentences."""

import json
import re
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from click.testing import CliRunner

from alledge.cli import main
from alledge.runtime.data.datasets import Dataset
from alledge.train.study.charts import interval_bar, lowest
from alledge.train.study.model_comparison import compare, needed_disagreement
from alledge.train.study.report_pages import write_pages
from alledge.train.study.report_sentences import (
    CONTRADICTIONS,
    INDEPENDENT,
    KINDS,
    camera_words,
    code_words,
    random_words,
    sentence,
    shortcut_words,
    strengths,
    weights_words,
)
from support.markup import escaped, injected, poison

WAYS = ("phantom G → phantom C", "phantom C → phantom G")


@pytest.fixture(scope="module")
def study(
    smears: Dataset, base_weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, str, str]:
    """Two models, a grouped and a camera split; one camera took blasts alone, as in ALL-IDB1."""
    root = tmp_path_factory.mktemp("pages")
    shutil.copytree(smears.root, root / "data")
    for sample in smears.samples:
        if sample.label == "healthy" and sample.camera.endswith("C"):
            (root / "data" / smears.relative(sample)).unlink()
    result = CliRunner().invoke(
        main,
        [
            "study", "--data", str(root / "data"), "--models", "vgg16,mobilenetv2",
            "--weights", "none", "--weights", f"vgg16={base_weights}", "--size", "32",
            "--splits", "grouped,camera", "--folds", "2", "--trials", "2", "--passes", "1",
            "--fine-tune", "none", "--geometry", "crop", "--out", str(root / "out"),
        ],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    texts = [
        (root / "out" / f"study.{kind}").read_text(encoding="utf-8") for kind in ("html", "md")
    ]
    document = json.loads((root / "out" / "study.json").read_text(encoding="utf-8"))
    schema = resources.files("alledge.runtime").joinpath("schemas/study.json")
    jsonschema.validate(document, json.loads(schema.read_text(encoding="utf-8")))
    return document, texts[0].replace("&#39;", "'"), texts[1]


def test_markup_in_every_text_of_a_study_stays_text(
    study: tuple[Any, str, str], tmp_path: Path
) -> None:
    keep = (*KINDS, "random", "file", "imagenet", "camera", "paper")
    keyed = ("classes", "cameras", "per_class", "left_out", "versions")
    page = write_pages(tmp_path, poison(study[0], keep, keyed))
    html = page.read_text(encoding="utf-8")
    assert escaped(html)
    assert not injected(html)
    assert "script-src 'none'" in html
    assert not re.search("<(img|script)", (tmp_path / "study.md").read_text(encoding="utf-8"))


def test_both_pages_show_both_splits_and_their_sources(study: tuple[Any, str, str]) -> None:
    document, *pages = study
    assert [section["name"] for section in document["sections"]] == ["grouped", *WAYS]
    for page in pages:
        for way in WAYS:
            assert f"Another camera, {way}." in page
        for section in document["sections"]:
            assert section["comparison"]["verdict"] in page
            for row in section["rows"]:
                assert f"{row['summary']['accuracy']['value']:.3f}" in page
        for note in document["settings"]["splits"]["camera"]["notes"]:
            assert sentence(note) in page
        assert "given from vgg16.weights.h5 (ImageNet-derived or the user's own), sha256" in page
        assert document["code"]["version"] in page
        assert document["code"]["commit"] is None or document["code"]["commit"] in page
        assert document["data"]["fingerprint"] in page
        assert "32 pixels, crop" in page
        assert document["paper"]["source"] in page
        assert "104,760,933" not in page  # InceptionV3 is not a model of this study
        assert "63,511,493" in page
        for version in document["versions"].values():
            assert version in page
        for line in (*CONTRADICTIONS, INDEPENDENT):
            assert line in page


def test_the_row_of_the_camera_alone_is_above_the_models(study: tuple[Any, str, str]) -> None:
    document, html, text = study
    grouped = document["sections"][0]
    alone = grouped["camera_alone"]
    assert alone["summary"]["images"] == 12
    assert grouped["both_labels"] == ["phantom G"]
    html, text = (
        html[html.index("paper") :],
        text[text.index("| paper |") :],
    )  # below the first table
    row = next(line for line in text.splitlines() if line.startswith("| camera alone"))
    assert f"| {alone['summary']['accuracy']['value']:.3f} (" in row
    assert f"| {alone['both_labels']['value']:.3f} (" in row
    assert text.index("| camera alone") < text.index("| VGG16 | linear probe")
    assert html.index("<b>camera alone</b>") < html.index("<b>VGG16</b>")
    assert "grouped: accuracy, phantom G only" in text
    assert "<small>phantom G only</small>" in html
    assert shortcut_words(grouped) in text
    assert "on the 8 images of phantom G, which took both labels" in shortcut_words(grouped)


def test_the_html_page_draws_curves_and_matrices(study: tuple[Any, str, str]) -> None:
    document, html, _ = study
    assert html.count('aria-label="ROC curves"') == len(document["sections"])
    heads = [row for s in document["sections"] for row in s["rows"] if row["kind"] == "head"]
    assert len(heads) == 6
    assert html.count('aria-label="Learning curve of') == len(heads)
    closed = html.replace("\n", "")
    for row in heads:
        (right, missed), (wrong, found) = row["summary"]["confusion"]["counts"]
        assert (
            f'<tr><th>healthy</th><td class="hit">{right}</td><td>{missed}</td></tr>'
            f'<tr><th>blast</th><td>{wrong}</td><td class="hit">{found}</td></tr>'
        ) in closed
    assert html.count('<th colspan="3">') == len(document["sections"])  # side by side
    assert f"seed      {document['seed']}" in html


def test_the_markdown_page_has_the_tables_of_the_html_page(study: tuple[Any, str, str]) -> None:
    document, _, text = study
    for section in document["sections"]:
        for row in section["rows"]:
            assert str(row["summary"]["confusion"]["counts"]) in text
        (pair,) = section["comparison"]["pairs"]
        assert f"| {pair['only_a_right']} | {pair['only_b_right']} | " in text
    assert text.count("| VGG16 | head | weighted |") == 3
    assert text.count("| VGG16 | head | blast |") == 3
    assert text.count("What augmentation did inside the training part") == 2
    tuning = text[text.index("## Tuning") :]
    assert sum("| camera |" in line for line in tuning.splitlines()) == 8
    assert "curves are in the HTML page" in text
    assert f"- seed: {document['seed']}" in text


def test_the_strengths_of_augmentation_are_compared_by_their_best_trials(
    study: tuple[Any, str, str],
) -> None:
    document = study[0]
    one, other = strengths(document, document["sections"][1])
    assert (one["model"], other["model"]) == ("vgg16", "mobilenetv2")
    assert sum(one["chosen"]) == 2
    assert one["losses"][2] is not None  # the first trial, the default, has the paper's own
    for row in document["tuned"]:
        assert row["loss"] == min(v for v in row["by_strength"].values() if v is not None)


def test_code_without_a_recorded_version_is_called_unknown() -> None:
    assert "unknown" in code_words({"version": None, "commit": None})
    assert code_words({"version": "1.0", "commit": "abc"}) == "alledge 1.0, commit abc"
    assert code_words({"version": "1.0", "commit": None}) == "alledge 1.0"
    assert "ImageNet" in weights_words({"source": "imagenet", "file": None, "sha256": None})


def test_interval_bars_begin_below_the_lowest_interval() -> None:
    figures = [{"value": 0.98, "low": 0.93, "high": 0.99}, {"value": 0.8, "low": 0.74, "high": 0.9}]
    assert lowest([*figures, None]) == 0.7
    assert lowest([]) == 0
    assert interval_bar(figures[1], 0.7) == {"value": 33.3, "low": 13.3, "high": 66.7}
    assert interval_bar(None) is None


def test_the_verdict_names_models_that_differ_and_no_others() -> None:
    good = np.ones(40, bool)
    bad = good.copy()
    bad[:15] = False
    apart = compare({"vgg16": good, "vgg19": bad, "mobilenetv2": good})
    assert apart["differ"] == [["vgg16", "vgg19"], ["vgg19", "mobilenetv2"]]
    assert "VGG16 before VGG19" in apart["verdict"]
    assert "MobileNetV2 before VGG19" in apart["verdict"]
    bad[:12] = True
    same = compare({"vgg16": good, "vgg19": bad, "mobilenetv2": good})
    assert same["differ"] == []
    assert "cannot be told apart" in same["verdict"]
    assert "is not supported by these images" in same["verdict"]
    assert compare({"vgg16": good})["pairs"] == []
    assert "Only one model is finished" in compare({"vgg16": good})["verdict"]
    assert "No model is finished" in compare({})["verdict"]


def test_the_verdict_says_where_a_fine_tuned_model_meets_anothers_head() -> None:
    right = {model: np.ones(40, bool) for model in ("vgg16", "mobilenetv2")}
    mixed = compare(right, {"vgg16": "head", "mobilenetv2": "base"})["verdict"]
    assert "MobileNetV2 is compared as fine-tuned, the others by a head" in mixed
    for kind in ("head", "base"):
        assert "compared as" not in compare(right, dict.fromkeys(right, kind))["verdict"]


def head(title: str, weights: str, accuracy: float) -> Any:
    return {
        "title": title,
        "kind": "head",
        "weights": weights,
        "summary": {
            "accuracy": {"value": accuracy},
            "sensitivity": {"value": accuracy},
            "specificity": {"value": 1.0},
            "auc": None,
        },
    }


def test_a_head_on_random_weights_as_good_as_a_pretrained_one_is_mentioned() -> None:
    given, drawn = head("VGG16", "given", 0.95), head("VGG19", "random", 0.96)
    assert "gives VGG19 0.960. VGG16's pretrained" in random_words({"rows": [given, drawn]})
    assert "no more" not in random_words({"rows": [given, head("VGG19", "random", 0.6)]})
    assert random_words({"rows": [given]}) == ""


def test_the_camera_sentence_separates_random_weights() -> None:
    rows = [head("VGG16", "given", 0.5), head("VGG19", "random", 0.9)]
    assert camera_words({"rows": rows}).startswith("head: 0.50 of the blasts found")
    assert "head on random weights: 0.90 of the blasts" in camera_words({"rows": rows})


def test_the_needed_disagreement_is_the_smallest_that_is_significant() -> None:
    for pairs in (1, 3, 15):
        images = needed_disagreement(pairs)
        assert pairs * 2 * 0.5**images < 0.05 <= pairs * 2 * 0.5 ** (images - 1)
