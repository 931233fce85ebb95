"""Reads what a run is trained on: whole fields, or the cells of fields and single cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...errors import DataError
from ...runtime.bundle.seen_images import FILE_SETTINGS
from ...runtime.data.datasets import Dataset, read_dataset
from ...runtime.guards.cell_guards import field_statistics
from ...runtime.guards.fitting import fit_cell_guards, fit_guards
from ...runtime.imaging import load_field, load_rgb
from ...runtime.metrics.metrics import Json
from ...runtime.types import GuardsRecord
from ..data.cells.field_split import split_cells
from ..data.cells.reading import read_cell_examples
from ..data.cells.same_cells import refuse_cell_contradictions
from ..data.cells.sources import read_cell_datasets
from ..data.cells.types import CellExamples
from ..data.connected_sets import connected_sets
from ..data.contradictions import refuse_contradictions
from ..data.examples import Examples, read_examples
from ..data.overlaps.alignment import Overlap
from ..data.overlaps.search import find_overlaps
from ..data.split_types import GIVEN, GROUPED, PAPER, Split
from ..data.splits import make_split
from ..progress import TrainingProgress
from .base_images import refuse_images_of_bases
from .options import TrainOptions
from .run_metrics import seen_images
from .types import CELL


@dataclass(frozen=True)
class TrainingSet:
    """The examples of a run and their split.

    Parameters
    ----------
    examples : Examples
    split : Split
    seen : dict
        As `seen_images` returns it.
    guards : dict or None
        Of the images, as `fit_guards` returns them, or of the crops of cells, as `fit_cell_guards`.
    reading : list of str
        Layouts of the data sets, and what their labels mean.
    field_guards : dict or None
        Of the fields whose cells are the examples, as `fit_guards` returns them.
    """

    examples: Examples
    split: Split
    seen: Json
    guards: GuardsRecord | None
    reading: list[str]
    field_guards: GuardsRecord | None = None


def read_sources(options: TrainOptions, progress: TrainingProgress) -> tuple[Dataset, ...]:
    """Return the data sets of a run, without their pixels.

    Raises
    ------
    DataError, UsageError
        As `read_dataset` or `read_cell_datasets`.
    """
    paths = (options.data, *options.more_data)
    if options.task == CELL:
        datasets = read_cell_datasets(paths, options.read_options, progress=progress.overlap_search)
    else:
        datasets = (
            read_dataset(options.data, options.read_options, progress=progress.overlap_search),
        )
    for path, dataset in zip(paths, datasets, strict=True):
        if options.more_data:
            progress.say(f"{path}: {len(dataset.samples)} images")
        for line in dataset.description():
            progress.say(line)
    return datasets


def read_training_set(
    options: TrainOptions, datasets: Sequence[Dataset], progress: TrainingProgress
) -> TrainingSet:
    """Decode the images of a run, and split them.

    Parameters
    ----------
    options : TrainOptions
    datasets : sequence of Dataset
        Several for the task ``cell`` only.
    progress : TrainingProgress

    Returns
    -------
    TrainingSet

    Raises
    ------
    DataError
        If an image is damaged, labels, groups or split cannot be used, or the base was trained on
        an image before.
    UsageError
        As `make_split`.
    """
    paths = [sample.path for dataset in datasets for sample in dataset.samples]
    progress.stage(f"reading {len(paths)} images")
    bases = (options.weights,)
    notes = refuse_images_of_bases(bases, paths, force=options.force, say=progress.say)
    overlaps = find_overlaps(paths, progress.overlap_search)
    given = all(dataset.has_given_split for dataset in datasets)
    kind = options.split or (GIVEN if given else GROUPED)
    fingerprint = "\n".join(dataset.fingerprint() for dataset in datasets)
    if options.task == CELL:
        return _read_cells(options, datasets, overlaps, kind, fingerprint, notes, progress)
    pairs = [(overlap.a, overlap.b) for overlap in overlaps]
    examples = read_examples(datasets[0], options.image_settings, options.groups, overlaps=pairs)
    notes += refuse_contradictions(examples, overlaps, force=options.force, say=progress.say)
    split = make_split(examples, kind, options.folds, options.seed)
    split = _with_notes(split, examples, notes, progress)
    _say_overlaps(overlaps, len(paths), kind, progress)
    seen = seen_images(examples.pixels, fingerprint)
    guards, reading = fit_guards(examples.statistics), datasets[0].description()
    return TrainingSet(examples, split, seen, guards, reading)


def _read_cells(
    options: TrainOptions,
    datasets: Sequence[Dataset],
    overlaps: Sequence[Overlap],
    kind: str,
    fingerprint: str,
    notes: tuple[str, ...],
    progress: TrainingProgress,
) -> TrainingSet:
    samples = [sample for dataset in datasets for sample in dataset.samples]
    examples = read_cell_examples(
        datasets,
        options.cells,
        options.groups,
        overlaps=overlaps,
        cells_file=options.cells_file,
        progress=progress.count,
    )
    _refuse_no_cells(examples)
    notes += refuse_cell_contradictions(examples, force=options.force, say=progress.say)
    split = split_cells(examples, kind, options.folds, options.seed)
    split = _with_notes(split, examples, (*notes, *cell_notes(examples)), progress)
    _say_overlaps(overlaps, len(samples), kind, progress)
    for note in cell_notes(examples):
        progress.say(note)
    fields = {field.path for field in examples.fields}
    pixels, statistics = [], []
    for index, sample in enumerate(samples):
        pixels.append(load_rgb(sample.path, FILE_SETTINGS))
        if sample.path in fields:
            rgb, header, _ = load_field(sample.path, options.cells.field_pixels)
            statistics.append(field_statistics(rgb, header))
        progress.count("measuring images", index + 1, len(samples))
    return TrainingSet(
        examples,
        split,
        seen_images(pixels, fingerprint),
        guards=fit_cell_guards(examples.pixels, options.seed),
        reading=[line for dataset in datasets for line in dataset.description()],
        field_guards=fit_guards(statistics),
    )


def cell_notes(examples: CellExamples) -> tuple[str, ...]:
    """Return how many cells of each label there are, and how many blasts detection missed."""
    labels = examples.dataset.labels
    counts = ", ".join(
        f"{int((examples.truth == index).sum())} {label}" for index, label in enumerate(labels)
    )
    notes = [f"{len(examples.names)} cells: {counts}"]
    missed = sum(field.missed_blasts for field in examples.fields)
    known = sum(field.blasts or 0 for field in examples.fields)
    if known:
        notes.append(f"detection missed {missed} of {known} blasts")
    if empty := [field.name for field in examples.fields if not field.cells]:
        notes.append(f"no cell was found in {len(empty)} of {len(examples.fields)} fields")
    return tuple(notes)


def _refuse_no_cells(examples: CellExamples) -> None:
    if not examples.names:
        raise DataError(
            f"no cell was found in the {len(examples.fields)} fields",
            fix="look at one of them with alledge classify --overlay; or --task field",
        )


def _with_notes(
    split: Split, examples: Examples, notes: Sequence[str], progress: TrainingProgress
) -> Split:
    for line in examples.flag_notes():
        progress.say(line)
    return replace(split, notes=(*split.notes, *notes, *examples.flag_notes()))


def _say_overlaps(
    overlaps: Sequence[Overlap], images: int, kind: str, progress: TrainingProgress
) -> None:
    sets = connected_sets(images, [(overlap.a, overlap.b) for overlap in overlaps])
    progress.say(
        f"{sum(map(len, sets))} images overlap, in {len(sets)} sets"
        + ("" if kind == PAPER else "; each set stays together")
    )
