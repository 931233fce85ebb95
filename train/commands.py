"""The commands models, audit, train and evaluate; each imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..runtime.data.command_options import dataset_options
from ..runtime.option_types import Count, FilePath, FiniteFloatRange
from ..runtime.terminal import echo, show
from .cell_options import CELL, cell_options
from .command_options import (
    AUDIT_PACKAGES,
    TRAIN_PACKAGES,
    cells_file_option,
    data_option,
    data_sets_option,
    force_option,
    geometry_option,
    groups_option,
    json_option,
    quiet_option,
    require_packages,
    seed_option,
)

if TYPE_CHECKING:
    from ..runtime.data.layout_types import ReadOptions


@click.command(short_help="List the six architectures and their parameters.")
@json_option
def models(as_json: bool) -> None:
    """List the six architectures and their parameters.

    The numbers are those of a model with two labels, as Keras prints them. The column "optimizer"
    counts what Adam stores beside the weights. The paper reports its accuracies on 22 test images.

    \b
    Example:
      alledge models --json
    """
    from .networks.architectures import describe
    from .tables import models_table

    document = describe()
    show(document, as_json, models_table)


@click.command(short_help="Find shortcuts that predict the label of a data set.")
@click.argument("data", nargs=-1, required=True, metavar="DATA...", type=FilePath(path_type=Path))
@dataset_options
@seed_option
@click.option(
    "--html",
    type=FilePath(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a page with pictures; it contains images of the data set.",
)
@click.option("--force", is_flag=True, help="Replace the page if it exists.")
@json_option
@quiet_option
@click.pass_context
def audit(
    context: click.Context,
    data: tuple[Path, ...],
    read_options: ReadOptions,
    seed: int,
    html: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Find shortcuts that predict the label of a data set.

    Reports counts, cameras, unreadable files, overlapping images within and between data sets,
    and the accuracy with which camera, image size, colour, background or geometry alone predict
    the label.

    \b
    Example:
      alledge audit ALL_IDB1 ALL_IDB2 --html audit.html
    """
    require_packages("alledge audit", AUDIT_PACKAGES)
    from ..runtime.outputs import check_outputs
    from .audit.audit import audit as run_audit
    from .audit.verdict import audit_text
    from .progress import CountProgress

    if html is not None:
        check_outputs([html], inputs=data, force=force, option="--html")
    with CountProgress(quiet) as progress:
        document = run_audit(data, read_options, seed=seed, progress=progress.show)
        if html is not None:
            from .audit.html_page import write_page

            write_page(html, document, force=force)
    show(document, as_json, audit_text)
    if any(dataset["unreadable"] for dataset in document["datasets"]):
        context.exit(1)


@click.command(short_help="Fine-tune one model on a data set.")
@click.option("--model", required=True, metavar="NAME", help="See: alledge models.")
@data_sets_option
@cells_file_option
@cell_options
@click.option(
    "--recipe",
    default="default",
    show_default=True,
    help="default, or paper: its head, base, augmentation and epochs, without early stopping.",
)
@click.option("--head", help="gap or paper.  [default: gap; paper with the recipe paper]")
@click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    metavar="imagenet|none|builtin|FILE",
    help="Weights that the base starts with; builtin: those of the bundle in alledge, for cells.",
)
@click.option(
    "--epochs",
    type=Count(0),
    help="At most; all for cells with trained weights.  [default: 12; 40 with --weights none]",
)
@click.option("--batch-size", type=Count(), help="Images per step.  [default: 16]")
@click.option(
    "--lr",
    type=FiniteFloatRange(min_open=True),
    help="Highest learning rate.  [default: 2e-5; 1e-4 for cells; 1e-3 with --weights none]",
)
@click.option(
    "--two-phase/--one-phase",
    "head_first",
    default=None,
    help="Fit the head first, then the base too.  [default: two; one with --weights none]",
)
@click.option(
    "--split",
    metavar="grouped|paper|subject|camera|source|given|FILE.csv",
    help="How images are divided into folds; source: one data set after the other is left out; "
    "given: by train/ and test/; a file has the columns image,fold[,group].  [default: given if "
    "there is one, else grouped]",
)
@click.option("--folds", default=5, show_default=True, type=Count(), help="1 holds one fifth out.")
@click.option(
    "--sensitivity",
    default=0.99,
    show_default=True,
    type=FiniteFloatRange(0, 1, min_open=True),
    help="Share of the positive images, or fields of cells, that the threshold is to find.",
)
@groups_option
@seed_option
@dataset_options
@geometry_option
@click.option(
    "--out",
    type=FilePath(path_type=Path),
    metavar="RUN",
    help="Folder of the run.  [default: runs/MODEL/TIME-SEED]",
)
@click.option("--resume", is_flag=True, help="Continue the newest unfinished run of these options.")
@force_option
@quiet_option
def train(
    model: str,
    data: tuple[Path, ...],
    recipe: str,
    head: str | None,
    weights: str,
    epochs: int | None,
    batch_size: int | None,
    lr: float | None,
    head_first: bool | None,
    geometry: str,
    task: str,
    resume: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Fine-tune one model on a data set.

    The network of a fold is trained without its test images. Temperature, threshold and band are
    fitted to the predictions on test images; the metrics of a fold use those that were fitted to
    the other folds. Then the model is refitted on all images, for export. With one fold there are
    no other folds, so its calibrated metrics are in-sample.

    With the task cell, the network judges the nucleated cells of each field, and a rule that is
    fitted in the same way judges the field by its cells. It is trained on the cells of all data
    sets, and images of different data sets that show the same cells stay together.

    \b
    Example:
      alledge train --model mobilenetv2 --data ALL_IDB1 --folds 5
    """
    require_packages("alledge train", TRAIN_PACKAGES)
    from ..runtime.image_settings import ImageSettings
    from .fitting.recipe import CELL_FINE_TUNING, FINE_TUNING, PAPER_NAME, recipe_for
    from .networks.architectures import architecture
    from .runs.session import TrainOptions
    from .runs.session import train as train_run
    from .tables import run_table

    run_options = TrainOptions(
        model=model,
        data=data[0],
        more_data=data[1:],
        recipe=recipe_for(
            weights,
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            head_first=head_first,
            name=recipe,
            paper_epochs=architecture(model).paper_epochs,
            fine_tuning=CELL_FINE_TUNING if task == CELL else FINE_TUNING,
        ),
        head=head or ("paper" if recipe == PAPER_NAME else "gap"),
        weights=weights,
        image_settings=ImageSettings(geometry=geometry),
        task=task,
        **options,
    )
    echo(run_table(train_run(run_options, resume=resume, quiet=quiet)))


@click.command(short_help="Measure a run or a bundle on a data set.")
@click.argument("subject", metavar="RUN|BUNDLE", type=FilePath(path_type=Path))
@data_option
@dataset_options
@click.option(
    "--include-seen", is_flag=True, help="Measure on images the model was trained on too."
)
@json_option
@click.pass_context
def evaluate(
    context: click.Context,
    subject: Path,
    data: Path,
    read_options: ReadOptions,
    include_seen: bool,
    as_json: bool,
) -> None:
    """Measure a run or a bundle on a data set.

    Images whose pixels the model was trained on are left out, and their number is printed.

    \b
    Example:
      alledge evaluate bundles/mobilenetv2-int8 --data ALL_IDB2
    """
    from ..errors import RunError
    from ..runtime.bundle.finding import is_bundle
    from .runs.run_folder import RECORD, SETTINGS, load_run
    from .tables import evaluation_text

    if is_bundle(subject):
        from ..runtime.metrics.bundle_evaluation import evaluate_bundle

        document = evaluate_bundle(subject, data, read_options, include_seen=include_seen)
    elif (subject / RECORD).is_file() or (subject / SETTINGS).is_file():
        require_packages("alledge evaluate RUN", TRAIN_PACKAGES)
        from .runs.run_evaluation import evaluate_run

        document = evaluate_run(load_run(subject), data, read_options, include_seen=include_seen)
    else:
        raise RunError(
            f"{subject} is neither a run nor a bundle",
            allowed="a folder with run.json or bundle.json",
        )
    show(document, as_json, evaluation_text)
    if document["failed"]:
        context.exit(1)
