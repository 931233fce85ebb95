"""The built-in bundle is put together from an exported one, always with the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from alledge.errors import ExportError
from alledge.export.builtin import assembly
from alledge.export.builtin.assembly import assemble_builtin
from alledge.runtime.bundle.bundle import Bundle
from alledge.runtime.bundle.verify import verify_bundle


def test_the_same_export_gives_the_same_built_in_bundle(
    int8_cell_bundle: Bundle, tmp_path: Path
) -> None:
    sizes = [assemble_builtin(int8_cell_bundle.path, tmp_path / name) for name in ("one", "two")]
    assert sizes[0] == sizes[1]
    bundle = Bundle.open(tmp_path / "one")
    bundle.check()
    assert (bundle.digest, bundle.name) == (sizes[0].digest, "builtin")
    assert verify_bundle(bundle.path)["verdict"] in ("pass", "not informative")


def test_the_licence_travels_with_the_built_in_bundle(
    int8_cell_bundle: Bundle, tmp_path: Path
) -> None:
    figures = tmp_path / "figures.md"
    figures.write_text("## Other microscopes\n\n0.98 of 100 cells", encoding="utf-8")
    assemble_builtin(int8_cell_bundle.path, tmp_path / "out", figures=figures)
    licence = (tmp_path / "out" / "LICENSE").read_text(encoding="utf-8")
    assert "ALL-IDB1" in licence
    assert "CC BY 4.0" in licence
    assert "LICENSE" in Bundle.open(tmp_path / "out").record["files"]
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.startswith("# builtin")
    assert "## Other microscopes\n\n0.98 of 100 cells" in card


def test_the_optional_format_is_left_out_of_a_bundle_that_is_too_large_with_it(
    int8_cell_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assembly, "OPTIONAL", "onnx")
    exported = int8_cell_bundle.path
    whole = assemble_builtin(exported, tmp_path / "whole")
    assert whole.formats == ("tflite", "onnx")
    small = assemble_builtin(exported, tmp_path / "small", max_bytes=whole.wheel_bytes - 1)
    assert small.formats == ("tflite",)
    assert not (tmp_path / "small" / "model.onnx").exists()
    assert "| onnx |" not in (tmp_path / "small" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert verify_bundle(tmp_path / "small")["verdict"] != "fail"
    with pytest.raises(ExportError, match="MB"):
        assemble_builtin(exported, tmp_path / "none", max_bytes=1000)


def test_a_bundle_of_whole_fields_is_refused(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="judges whole fields"):
        assemble_builtin(bundle, tmp_path / "out")
