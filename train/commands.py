"""The commands of the training room; imports click and our errors, the rest when one runs."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import click

from ..errors import MissingPackageError

# What training imports beside the base install: module -> package.
NEEDED = {
    "tensorflow": "tensorflow",
    "keras": "keras",
    "sklearn": "scikit-learn",
    "matplotlib": "matplotlib",
    "rich": "rich",
    "scipy": "scipy",
    "statsmodels": "statsmodels",
}
# What the audit imports, which needs no tensorflow.
AUDIT_NEEDED = {"sklearn": "scikit-learn", "scipy": "scipy", "rich": "rich", "jinja2": "jinja2"}
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command(short_help="List the six architectures and their parameters.")
@JSON_OPTION
def models(as_json: bool) -> None:
    """List the six architectures and their parameters.

    Counted for two labels, as Keras prints them: the optimizer column is what Adam keeps beside
    the weights. The paper's accuracies are as reported, on 22 test images.

    \b
    Example:
      alledge models --json
    """
    from .networks.architectures import describe
    from .tables import models_table

    document = describe()
    click.echo(json.dumps(document, indent=2) if as_json else models_table(document))


@click.command(short_help="Tell what a data set would let a model cheat with.")
@click.argument("data", nargs=-1, required=True, metavar="DATA...", type=click.Path(path_type=Path))
@click.option("--layout", metavar="NAME", help="Of the data sets, where looking finds another.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1))
@click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a page with pictures; it holds images of the data set.",
)
@JSON_OPTION
@click.option("--quiet", is_flag=True, help="Show no progress.")
@click.pass_context
def audit(
    context: click.Context,
    data: tuple[Path, ...],
    layout: str | None,
    seed: int,
    html: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Tell what a data set would let a model cheat with.

    Counts, cameras, unreadable files, images that show the same within and between the sets, and
    how well camera, image size, colour, background and geometry alone tell the labels.

    \b
    Example:
      alledge audit ALL_IDB1 ALL_IDB2 --html audit.html
    """
    _refuse_missing("alledge audit", AUDIT_NEEDED)
    from .audit.audit import audit as run_audit
    from .audit.verdict import audit_text
    from .progress import CountProgress

    with CountProgress(quiet) as progress:
        document = run_audit(data, layout=layout, seed=seed, progress=progress.show)
        if html is not None:
            from .audit.html_page import write_page

            write_page(html, document)
    click.echo(json.dumps(document, indent=2) if as_json else audit_text(document))
    if any(dataset["unreadable"] for dataset in document["datasets"]):
        context.exit(1)


@click.command(short_help="Fine-tune one model on a data set.")
@click.option("--model", required=True, metavar="NAME", help="See: alledge models.")
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="Folder of the data set."
)
@click.option(
    "--recipe",
    default="default",
    show_default=True,
    help="default, or paper: its head, base, augmentation and epochs, without early stopping.",
)
@click.option("--head", help="gap or paper.  [default: gap; paper with the paper's recipe]")
@click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    metavar="imagenet|none|FILE",
    help="Weights the base begins with.",
)
@click.option("--epochs", type=click.IntRange(0), help="At most.  [default: 12; 40 from scratch]")
@click.option("--batch-size", type=click.IntRange(1), help="Images a step.  [default: 16]")
@click.option("--lr", type=float, help="Highest learning rate.  [default: 2e-5; 1e-3 from scratch]")
@click.option(
    "--two-phase/--one-phase",
    "head_first",
    default=None,
    help="The head first, then the base at a low rate.  [default: two; one from scratch]",
)
@click.option(
    "--split",
    default="grouped",
    show_default=True,
    metavar="grouped|paper|subject|camera|FILE.csv",
    help="How images are parted; a file has the columns image,fold[,group].",
)
@click.option(
    "--folds", default=5, show_default=True, type=click.IntRange(1), help="1 holds one fifth out."
)
@click.option(
    "--sensitivity",
    default=0.99,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="What the threshold is to have, a share of the positive images.",
)
@click.option(
    "--groups",
    type=click.Path(path_type=Path),
    metavar="FILE.csv",
    help="Images that stay together beside those found to overlap, columns image,group.",
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1))
@click.option("--layout", metavar="NAME", help="Of the data set, where looking finds another.")
@click.option(
    "--geometry",
    default="squash",
    show_default=True,
    type=click.Choice(["squash", "crop"]),
    help="How an image becomes a square.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Folder of the run.  [default: runs/MODEL/TIME-SEED]",
)
@click.option("--resume", is_flag=True, help="Go on with the newest unfinished run of this kind.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def train(
    model: str,
    data: Path,
    recipe: str,
    head: str | None,
    weights: str,
    epochs: int | None,
    batch_size: int | None,
    lr: float | None,
    head_first: bool | None,
    geometry: str,
    resume: bool,
    quiet: bool,
    **rest: Any,
) -> None:
    """Fine-tune one model on a data set.

    Every fold is trained without its test images; temperature, threshold and band come from what
    it says of them, and the figures of a fold from those of the other folds. Then the model is
    refitted on all images: that one is exported. One holdout has no other folds: its calibrated
    figures are in-sample.

    \b
    Example:
      alledge train --model mobilenetv2 --data ALL_IDB1 --folds 5
    """
    require("alledge train")
    from ..runtime.image_settings import ImageSettings
    from .fitting.recipe import PAPER_NAME, recipe_for
    from .networks.architectures import architecture
    from .runs.session import TrainOptions
    from .runs.session import train as run_training
    from .tables import run_table

    fitting = recipe_for(
        weights,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        head_first=head_first,
        name=recipe,
        paper_epochs=architecture(model).paper_epochs,
    )
    head = head or ("paper" if recipe == PAPER_NAME else "gap")
    order = TrainOptions(
        model, data, fitting, head, weights, image_path=ImageSettings(geometry=geometry), **rest
    )
    click.echo(run_table(run_training(order, resume=resume, quiet=quiet)))


@click.command(short_help="Measure a run or a bundle on a data set.")
@click.argument("subject", metavar="RUN|BUNDLE", type=click.Path(path_type=Path))
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="Folder of the data set."
)
@click.option("--layout", metavar="NAME", help="Of the data set, where looking finds another.")
@click.option(
    "--include-seen", is_flag=True, help="Measure on images the model was trained on too."
)
@JSON_OPTION
@click.pass_context
def evaluate(
    context: click.Context,
    subject: Path,
    data: Path,
    layout: str | None,
    include_seen: bool,
    as_json: bool,
) -> None:
    """Measure a run or a bundle on a data set.

    Images whose pixels the model was trained on are left out, and counted.

    \b
    Example:
      alledge evaluate bundles/mobilenetv2-int8 --data ALL_IDB2
    """
    from ..errors import RunError
    from .runs.run_folder import RECORD, SETTINGS, load_run
    from .tables import evaluation_text

    if (subject / "bundle.json").is_file():
        from ..runtime.metrics.bundle_evaluation import evaluate_bundle

        document = evaluate_bundle(subject, data, layout=layout, include_seen=include_seen)
    elif (subject / RECORD).is_file() or (subject / SETTINGS).is_file():
        require("alledge evaluate RUN")
        from .runs.run_evaluation import evaluate_run

        document = evaluate_run(load_run(subject), data, layout=layout, include_seen=include_seen)
    else:
        raise RunError(
            f"{subject} is neither a run nor a bundle",
            allowed="a folder with run.json or bundle.json",
        )
    click.echo(json.dumps(document, indent=2) if as_json else evaluation_text(document))
    if document["failed"]:
        context.exit(1)


def require(purpose: str, more: dict[str, str] | None = None) -> None:
    """Refuse early, before any image is read, where a package of the extra is missing."""
    _refuse_missing(purpose, {**NEEDED, **(more or {})})


def _refuse_missing(purpose: str, needed: dict[str, str]) -> None:
    for module, package in needed.items():
        if importlib.util.find_spec(module) is None:
            raise MissingPackageError(package, "train-cpu", purpose)
