"""Prints the tables of docs/export.md from exported bundles.

``python -m alledge.benchmarks.internal.export_tables BUNDLE… [--kept DATA]``. The log of an export
is beside its bundle. ``--kept`` names a data set that took no part in training or export.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import click
import numpy as np

from ...errors import BundleError, DataError
from ...runtime.bundle.bundle import Bundle
from ...runtime.classifier import Classifier
from ...runtime.data.datasets import Dataset, read_dataset
from ...runtime.json_documents import read_json
from ...runtime.records import Result

Json = dict[str, Any]
COST = (
    "", "AUC float → int8", "difference, 95 %", "lost blasts: gate, cross-fitted",
    "to review: gate, cross-fitted", "McNemar p", "max, mean Δp", "recipe (tried)",
    "reach of the band", "MiB",
)  # fmt: skip


def table(rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; the first row is its head."""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cost_rows(folder: Path) -> list[list[str]]:
    """Return what int8 costs in each format of a bundle, by the figures of its gate."""
    record: Json = read_json(folder / "bundle.json", error=BundleError)
    rows = []
    for name, entry in record["formats"].items():
        gate: Json = entry["gate"]
        fitted: Json = gate["cross_fitted"]
        difference: Json = fitted["auc_difference"]
        size = sum(record["sizes"][file] for file in Bundle.open(folder).formats[name].files)
        rows.append([
            f"{record['model']}, {name}",
            f"{fitted['auc_float']:.4f} → {fitted['auc']:.4f}",
            f"{difference['value']:+.4f} ({difference['low']:+.4f} to {difference['high']:+.4f})",
            f"{gate['lost_positives']}, {fitted['lost_positives']} of {fitted['float_positives']}",
            f"{gate['to_review']}, {fitted['to_review']}",
            f"{fitted['mcnemar_p']:.2f}",
            f"{fitted['max_dp']:.3f}, {fitted['mean_dp']:.4f}",
            f"{gate['tried'][-1]['recipe']} ({len(gate['tried'])})",
            f"{gate['band']['shift']:.2f}",
            f"{size / 2**20:.1f}",
        ])  # fmt: skip
    return rows


def step_rows(folder: Path) -> list[list[str]]:
    """Return number, seconds and memory of each kind of step of an export, the longest first."""
    log: Json = read_json(folder.with_name(f"{folder.name}.log.json"), error=DataError)
    kinds: dict[str, list[Json]] = defaultdict(list)
    for step in log["steps"]:
        kinds[step["step"].partition(": ")[2]].append(step)
    seconds = {kind: sum(step["seconds"] for step in steps) for kind, steps in kinds.items()}
    return [
        [kind, str(len(kinds[kind])), f"{seconds[kind]:.0f}",
         f"{max(step['peak_mib'] for step in kinds[kind]):.0f}"]
        for kind in sorted(kinds, key=lambda kind: -seconds[kind])
    ]  # fmt: skip


def kept_rows(folder: Path, data: Dataset) -> tuple[list[str], list[list[str]]]:
    """Return blasts found, false alarms and reviews of a bundle, and how its formats differ."""
    answers = {name: answers_of(folder, name, data) for name in Bundle.open(folder).formats}
    truth = np.array([sample.label in data.positive for sample in data.samples])
    row = [folder.name]
    for results in answers.values():
        is_positive = np.array([result.label in data.positive for result in results])
        reviews = sum(result.status == "review" for result in results)
        found, false = int((is_positive & truth).sum()), int((is_positive & ~truth).sum())
        row.append(f"{found} of {truth.sum()}, {false}, {reviews}")
    scores = {
        name: np.array([result.probability for result in results], np.float64)
        for name, results in answers.items()
    }
    differences = [
        [folder.name, f"{one}, {other}", f"{np.abs(scores[one] - scores[other]).max():.3f}",
         f"{np.abs(scores[one] - scores[other]).mean():.4f}"]
        for one, other in combinations(scores, 2)
    ]  # fmt: skip
    return row, differences


def answers_of(folder: Path, name: str, data: Dataset) -> list[Result]:
    """Return the results of one format of a bundle."""
    with Classifier.load(folder, backend=name) as classifier:
        return list(classifier.classify([sample.path for sample in data.samples]))


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--kept", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(bundles: tuple[Path, ...], kept: Path | None) -> None:
    """Print Markdown tables: cost, time by step, and the answers on kept images."""
    click.echo(table([COST, *(row for folder in bundles for row in cost_rows(folder))]))
    for folder in bundles:
        head = [folder.name, "steps", "seconds", "peak MiB of a step"]
        click.echo("\n" + table([head, *step_rows(folder)]))
    if kept is None:
        return
    data = read_dataset(kept)
    rows, differences = zip(*(kept_rows(folder, data) for folder in bundles), strict=True)
    head = ["blasts found, false alarms, to review", *Bundle.open(bundles[0]).formats]
    click.echo("\n" + table([head, *rows]))
    head = ["", "formats", "largest difference", "mean"]
    click.echo("\n" + table([head, *(row for part in differences for row in part)]))


if __name__ == "__main__":
    main()
