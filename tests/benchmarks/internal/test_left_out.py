"""The command that fine-tunes without one microscope; the training is replaced."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from alledge.benchmarks.internal.cell_ablation import left_out
from alledge.benchmarks.internal.cell_ablation.compositions import of_examples
from alledge.runtime.cells.settings import CellSettings
from alledge.train.data.cells.reading import read_cell_examples
from alledge.train.data.cells.sources import read_cell_datasets
from support.generated_cells import draw_smear

KINDS = ("lymphocyte", "neutrophil", "platelet")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Generated fields of two cameras, and a folder for each kind of PBC with two cells."""
    from alledge.train.phantom.smears import generate

    root = tmp_path_factory.mktemp("sets")
    for number, kind in enumerate(KINDS * 2):
        drawn = "neutrophil" if kind == "neutrophil" else "lymphocyte"
        folder = root / "PBC" / kind
        folder.mkdir(parents=True, exist_ok=True)
        cell = draw_smear([(drawn, 180, 180)], seed=number, width=360, height=360)
        Image.fromarray(cell).save(folder / f"{number}.png")
    return generate(root / "fields", images=16, size=480), root / "PBC"


def test_no_network_sees_the_microscope_that_it_judges(sets: tuple[Path, Path]) -> None:
    examples = read_cell_examples(read_cell_datasets(sets), CellSettings())
    cells = of_examples(examples, [])
    rows = left_out.rows(cells)
    cameras = sorted({camera for _, camera in rows} - {left_out.PBC})
    assert len(cameras) == 2
    assert rows == [
        *((name, camera) for camera in cameras for name in (left_out.WITHOUT, left_out.WITH)),
        (left_out.BOTH, left_out.PBC),
    ]
    for name, microscope in rows:
        trained, judged = left_out.parts(cells, name, microscope)
        assert not (trained & judged).any()
        assert set(cells.microscope[judged]) == {microscope}
        assert (left_out.PBC in cells.microscope[trained]) == (name == left_out.WITH)


def test_scores_stay_in_the_folder(
    sets: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[int] = []

    def fit(examples: Any, trained: Any, judged: Any, *_: Any) -> Any:
        fitted.append(int(trained.sum()))
        scores = np.full((len(judged), len(examples.dataset.labels)), np.nan, np.float32)
        scores[judged] = np.eye(scores.shape[1])[examples.truth[judged]]
        return scores

    monkeypatch.setattr(left_out, "fine_tuned", fit)
    words = [
        "--all-idb1",
        str(sets[0]),
        "--pbc",
        str(sets[1]),
        "--weights",
        "none",
        "--seeds",
        "0,1",
    ]
    results = [
        CliRunner().invoke(left_out.main, [*words, "--out", str(tmp_path)]) for _ in range(2)
    ]
    assert [result.exit_code for result in results] == [0, 0], results[0].output
    assert len(fitted) == 10
    assert fitted[2] > fitted[0]
    assert fitted[6] > fitted[4]
    assert results[0].output == results[1].output
    assert results[0].output.count("| 1.000 |") == 2  # the first rows of both cameras
    assert results[0].output.count("| 1.000 (+0.000 to +0.000) |") == 10
