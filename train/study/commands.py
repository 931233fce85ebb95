"""``alledge study`` as typed; imports click and our errors, the rest when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ...errors import UsageError
from ..commands import require
from ..networks.architectures import ARCHITECTURES, architecture
from ..networks.base_weights import IMAGENET, NONE

PACKAGES = {"optuna": "optuna", "jinja2": "jinja2"}
AUTO = "auto"
SMALLEST = "mobilenetv2"  # what a CPU can fine-tune in minutes
SPLITS, OPTIONAL = "paper,grouped,camera", "camera"


@click.command(short_help="Tune and compare the six models, on one page.")
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="Folder of the data set."
)
@click.option(
    "--models", default=",".join(ARCHITECTURES), metavar="NAME,…", help="[default: all six]"
)
@click.option(
    "--weights",
    multiple=True,
    metavar="imagenet|none|FOLDER|MODEL=…",
    help="For all, or MODEL=… for one; a folder holds MODEL.weights.h5.  [default: imagenet]",
)
@click.option("--head", default="gap", show_default=True, help="gap or paper.")
@click.option(
    "--splits",
    metavar="KIND,…",
    help=f"As --split of train.  [default: {SPLITS}; {OPTIONAL} where it can be made]",
)
@click.option("--folds", default=5, show_default=True, type=click.IntRange(1))
@click.option(
    "--trials", default=16, show_default=True, type=click.IntRange(1), help="A fold and model."
)
@click.option(
    "--passes",
    default=3,
    show_default=True,
    type=click.IntRange(1),
    help="Augmented passes whose features are kept, for each strength.",
)
@click.option(
    "--fine-tune",
    default=AUTO,
    show_default=True,
    metavar="auto|none|all|NAME,…",
    help="Models whose base is trained too; auto: all on a GPU, mobilenetv2 on a CPU.",
)
@click.option(
    "--groups",
    type=click.Path(path_type=Path),
    metavar="FILE.csv",
    help="Images that stay together, columns image,group.",
)
@click.option(
    "--geometry",
    default="squash",
    show_default=True,
    type=click.Choice(["squash", "crop"]),
    help="How an image becomes a square.",
)
@click.option("--layout", metavar="NAME", help="Of the data set, where looking finds another.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1))
@click.option(
    "--out", default="study", show_default=True, type=click.Path(path_type=Path, file_okay=False)
)
@click.option(
    "--storage",
    metavar="URL",
    help="Optuna storage that several machines share.  [default: SQLite in the folder]",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="Of features.  [default: the user's cache folder]",
)
@click.option("--resume", is_flag=True, help="Go on with the study in the folder.")
@click.option(
    "--heartbeat",
    default=20,
    show_default=True,
    type=click.IntRange(1),
    metavar="SECONDS",
    help="Between signs of life; a process without three of them is dead.",
)
@click.option("--size", type=click.IntRange(32), default=224, hidden=True)
@click.option("--quiet", is_flag=True, help="Show no progress.")
def study(
    data: Path, models: str, weights: tuple[str, ...], splits: str | None, **rest: Any
) -> None:
    """Tune and compare the six models, on one page.

    Learning rate, batch size, epochs and augmentation are tuned inside every training part, on
    kept features of the frozen base. Started on several machines with one --storage, they share
    the work; killed, the same command with --resume goes on.

    \b
    Example:
      alledge study --data ALL_IDB1 --out study
    """
    require("alledge study", PACKAGES)
    from ...runtime.image_settings import ImageSettings
    from .options import StudyOptions
    from .stages import Shared
    from .stages import study as run_study

    names = _listed(models)
    size = rest.pop("size")
    order = StudyOptions(
        data,
        names,
        read_weights(weights, names),
        head=rest["head"],
        splits=_listed(SPLITS if splits is None else splits),
        optional=(OPTIONAL,) if splits is None else (),
        folds=rest["folds"],
        trials=rest["trials"],
        passes=rest["passes"],
        seed=rest["seed"],
        fine_tune=_fine_tuned(rest["fine_tune"], names),
        layout=rest["layout"],
        groups=rest["groups"],
        image_path=ImageSettings(size=size, geometry=rest["geometry"], draft=2 * size),
    )
    shared = Shared(rest["out"], rest["storage"], rest["resume"], rest["heartbeat"], rest["cache"])
    click.echo(run_study(order, shared, quiet=rest["quiet"]))


def _listed(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not names:
        raise UsageError(f"{text!r} names nothing", allowed="one name or more, with commas")
    return names


def _fine_tuned(text: str, models: tuple[str, ...]) -> tuple[str, ...]:
    """Return the models whose base is fine-tuned."""
    if text == "none":
        return ()
    if text == AUTO:
        from ..networks.tensorflow_import import tf

        gpu = bool(tf.config.list_physical_devices("GPU"))
        return models if gpu else tuple(model for model in models if model == SMALLEST)
    return models if text == "all" else _listed(text)


def read_weights(given: tuple[str, ...], models: tuple[str, ...]) -> dict[str, str]:
    """Return the weights of every model from what was typed.

    Parameters
    ----------
    given : tuple of str
        ``imagenet``, ``none`` or a folder with ``MODEL.weights.h5`` for all; ``MODEL=…`` for one.
    models : tuple of str

    Raises
    ------
    UsageError
        If a folder lacks a model's file, a file is not there, or there is no such model.
    """
    common, own = IMAGENET, {}
    for word in given:
        model, equals, value = word.partition("=")
        if equals and not Path(word).is_dir():
            own[architecture(model).name] = value
        else:
            common = word
    return {
        model: _own(own[model], model) if model in own else _common(common, model)
        for model in models
    }


def _own(value: str, model: str) -> str:
    if value in (IMAGENET, NONE) or Path(value).is_file():
        return value
    if Path(value).is_dir():
        return _common(value, model)
    raise UsageError(
        f"there is no file of weights {value!r} for {model}",
        allowed=f"{IMAGENET}, {NONE}, FILE, FOLDER",
        fix=f"--weights {model}=FILE, or --weights {model}=none for random weights",
    )


def _common(common: str, model: str) -> str:
    if common in (IMAGENET, NONE):
        return common
    path = Path(common) / f"{model}.weights.h5"
    if not path.is_file():
        raise UsageError(
            f"there are no weights {path}",
            fix=f"--weights {model}=FILE, --weights {model}=none for random weights, "
            "or leave the model out with --models",
        )
    return str(path)
