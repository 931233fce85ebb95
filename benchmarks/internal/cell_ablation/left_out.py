"""Fine-tunes networks on the cells of all microscopes but one, which judge the cells of that one.

``python -m alledge.benchmarks.internal.cell_ablation.left_out --all-idb1 ALL_IDB1 --pbc PBC
--weights FILE --out DIR``. What `compositions` asks linear probes is asked whole networks: what the
cells of PBC cost on a camera that was left out. The recipe is the default one of cells. A command
that was interrupted continues: the scores stay in the folder. No cell of BCCD, JTSC or CellaVision
is used.

The row of a mean averages the probabilities of the networks of all seeds.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np

from ....runtime.cells.settings import CellSettings
from ....runtime.digests import sha256
from ....runtime.files import replace_file
from ....train.data.cells.reading import read_cell_examples
from ....train.data.cells.sources import read_cell_datasets
from ....train.data.cells.types import CellExamples
from ....train.data.split_types import Fold, Split
from ....train.fitting.feature_cache import weights_digest
from ....train.fitting.recipe import CELL_FINE_TUNING
from ....train.fitting.task import TrainingTask
from ....train.progress import TrainingProgress
from .base_features import Floats
from .compositions import PBC, Cells, Mask, of_examples, print_head, print_row
from .figures import Scores
from .variants import MODEL

WITHOUT, WITH = "the other camera", "the other camera, PBC"
BOTH = "both cameras"


@click.command()
@click.option("--all-idb1", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--pbc", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--groups", type=click.Path(path_type=Path), help="CSV file with image,group.")
@click.option("--cells", "table", type=click.Path(path_type=Path), help="Truth of the cells.")
@click.option("--weights", required=True, help="As `alledge train --weights`.")
@click.option("--seeds", default="0,1,2", show_default=True, help="A network for each.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
def main(
    all_idb1: Path,
    pbc: Path,
    groups: Path | None,
    table: Path | None,
    weights: str,
    seeds: str,
    out: Path,
) -> None:
    """Print a Markdown table with rows for each microscope that is left out."""
    datasets = read_cell_datasets([all_idb1, pbc])
    examples = read_cell_examples(datasets, CellSettings(), groups, cells_file=table)
    cells = of_examples(examples, [])
    inputs = digest_of(examples, weights)
    out.mkdir(parents=True, exist_ok=True)
    print_head()
    first: dict[str, Scores] = {}
    for name, microscope in rows(cells):
        trained, there = parts(cells, name, microscope)
        where, every = f"{microscope}, left out", []
        for seed in seeds.split(","):
            file = out / f"{name}, without {microscope}, seed {seed}, {inputs}.npy"
            if not file.is_file():
                scores = fine_tuned(
                    examples, trained, there, weights, int(seed), file.with_suffix("")
                )
                with replace_file(file) as beside, beside.open("wb") as stream:
                    np.save(stream, scores)
            every.append(np.load(file))
            print_row(f"{name}, seed {seed}", where, cells, there, every[-1], first)
        if len(every) > 1:
            print_row(f"{name}, mean", where, cells, there, np.mean(every, axis=0), first)


def rows(cells: Cells) -> list[tuple[str, str]]:
    """Return what is trained on and which microscope is left out, for each row."""
    cameras = [str(name) for name in np.unique(cells.microscope) if name != PBC]
    return [(name, camera) for camera in cameras for name in (WITHOUT, WITH)] + [(BOTH, PBC)]


def digest_of(examples: CellExamples, weights: str) -> str:
    """Return a short hash of all that scores depend on, apart from the row and the seed."""
    recipe = json.dumps(CELL_FINE_TUNING.to_json(), sort_keys=True)
    text = f"{weights_digest(MODEL, weights, 0)} {recipe} {examples.truth_digest()}"
    return str(sha256(examples.pixels.tobytes() + text.encode()).hexdigest()[:8])


def parts(cells: Cells, name: str, microscope: str) -> tuple[Mask, Mask]:
    """Return the cells that are trained on and those that are judged in a row, (N,) each."""
    there = cells.microscope == microscope
    return cells.known & ~there & ((cells.kind == "") | (name == WITH)), there


def fine_tuned(
    examples: CellExamples, trained: Mask, judged: Mask, weights: str, seed: int, folder: Path
) -> Floats:
    """Train a network on some cells, and return its scores of others, (N, C); NaN elsewhere."""
    from ....train.fitting.fold_training import fit_fold

    fold = Fold(1, np.flatnonzero(trained), np.flatnonzero(judged))
    split = Split("left out", (fold,), judged.astype(np.int64), tuple(examples.groups))
    task = TrainingTask(MODEL, "gap", weights, seed, CELL_FINE_TUNING, examples, split, folder)
    with TrainingProgress() as progress:
        result = fit_fold(task, fold, progress)
    scores = np.full((len(judged), len(examples.dataset.labels)), np.nan, np.float32)
    scores[result["images"]] = result["scores"]
    return scores


if __name__ == "__main__":
    main()
