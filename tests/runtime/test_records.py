"""Records have the exact keys of the contract, whatever the name of an image is."""

from __future__ import annotations

import csv
import io
import json

import pytest

from alledge.runtime.records import (
    Result,
    TextTable,
    csv_header,
    csv_line,
    json_line,
)
from alledge.runtime.terminal import printable
from support.hostile_text import HOSTILE, is_harmless

KEYS = [
    "image",
    "status",
    "label",
    "probability",
    "scores",
    "threshold",
    "flags",
    "bundle",
    "digest",
    "backend",
    "ms",
    "error",
]
DIGEST = f"sha256:{'0' * 64}"
FINE = Result(
    "slide.jpg", "ok", "blast", 0.973, {"healthy": 0.027, "blast": 0.973}, 0.5, (),
    "mobilenetv2-int8", DIGEST, "tflite", 21.4,
)  # fmt: skip
WRONG = Result(
    "a\nb,\"c\".jpg", "error", None, None, None, 0.5, (), "b", DIGEST, "onnx", 1.0, "is empty"
)  # fmt: skip


def test_a_json_record_has_the_keys_of_the_contract_in_order() -> None:
    assert list(json.loads(json_line(FINE))) == list(KEYS)
    assert list(json.loads(json_line(WRONG))) == list(KEYS)


@pytest.mark.parametrize("name", ["ü.jpg", "a\nb.jpg", "\udce4.jpg", '"quoted".jpg'])
def test_a_json_record_is_one_line_of_ascii(name: str) -> None:
    line = json_line(Result(**{**FINE.__dict__, "image": name}))
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line)["image"] == name


def test_csv_has_the_same_keys_with_flat_scores() -> None:
    labels = ("healthy", "blast")
    text = "\n".join([csv_header(labels), csv_line(FINE, labels), csv_line(WRONG, labels)])
    rows = list(csv.DictReader(io.StringIO(text)))
    flat = [key for key in KEYS if key != "scores"]
    assert [key for key in rows[0] if not key.startswith("scores.")] == flat
    assert rows[0]["scores.blast"] == "0.973"
    assert rows[1]["image"] == WRONG.image
    assert rows[1]["probability"] == ""
    assert rows[1]["error"] == "is empty"


def test_csv_joins_flags_by_spaces() -> None:
    flagged = Result(**{**FINE.__dict__, "status": "review", "flags": ("blurred", "exposure")})
    assert "blurred exposure" in csv_line(flagged, ("healthy", "blast"))


def test_text_says_label_probability_and_flags() -> None:
    flagged = Result(**{**FINE.__dict__, "status": "review", "flags": ("indeterminate",)})
    table = TextTable(("healthy", "blast"))
    line = table.line(flagged)
    assert "slide.jpg" in line
    assert "blast" in line
    assert "97.3%" in line
    assert "review: indeterminate" in line
    assert "error   is empty" in table.line(WRONG)
    assert "2 images: 1 review, 1 error" in table.footer(1.0)


def test_text_of_one_image_stays_on_one_line() -> None:
    assert "\n" not in TextTable(("healthy", "blast")).line(WRONG)
    assert printable("a\x1b[31m\n") == "a\\x1b[31m\\n"


def test_the_first_line_says_if_there_are_no_guards() -> None:
    table = TextTable(("healthy", "blast"))
    assert "no guards" in table.header("b", "sha256:0", "engine", guarded=False)
    assert "guards" not in table.header("b", "sha256:0", "engine", guarded=True)


def test_the_second_line_says_what_the_percentages_are_of() -> None:
    line = TextTable(("healthy", "blast")).legend(("blast",), 0.76)
    assert line == "percent: the probability of blast; the label is blast from 76.0% on"
    several = TextTable(("benign", "early", "pre")).legend(("early", "pre"), 0.5)
    assert "any of early, pre; one of them is the label from 50.0% on" in several


def test_hostile_names_and_labels_stay_in_their_line() -> None:
    labels = (f"healthy{HOSTILE}", f"blast{HOSTILE}")
    result = Result(
        **{
            **FINE.__dict__,
            "image": HOSTILE,
            "label": labels[1],
            "scores": dict.fromkeys(labels, 0.5),
            "flags": (HOSTILE,),
        }
    )
    table = TextTable(labels)
    lines = [
        table.header(HOSTILE, HOSTILE, HOSTILE, guarded=True),
        table.legend(labels, 0.5),
        table.line(result),
        table.line(Result(**{**WRONG.__dict__, "error": HOSTILE})),
    ]
    assert all(is_harmless(line) and "\n" not in line for line in lines)
    assert is_harmless(json_line(result))
    assert json.loads(json_line(result))["image"] == HOSTILE
