"""The command ``study``; imports click and our errors, the rest when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...errors import UsageError
from ...runtime.data.command_options import dataset_options
from ...runtime.option_types import MOST_THREADS, Count, FilePath, FiniteFloatRange
from ...runtime.terminal import echo, printable
from ..cell_options import CELL, cell_options
from ..command_options import (
    STUDY_PACKAGES,
    cells_file_option,
    data_sets_option,
    force_option,
    geometry_option,
    groups_option,
    quiet_option,
    require_packages,
    seed_option,
)
from ..networks.architectures import ARCHITECTURES, architecture
from ..networks.base_weights import IMAGENET, NONE

if TYPE_CHECKING:
    from ...runtime.cells.settings import CellSettings

AUTO = "auto"
FINE_TUNED_ON_CPU = "mobilenetv2"  # the only base that a CPU fine-tunes in minutes


@click.command(short_help="Tune and compare the six models, on one page.")
@data_sets_option
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
    help="As --split of train.  [default: given if there is one, else paper,grouped,camera; "
    "camera only if it can be made]",
)
@click.option("--folds", default=5, show_default=True, type=Count())
@click.option(
    "--trials",
    default=16,
    show_default=True,
    type=Count(),
    help="Per fold and model.",
)
@click.option(
    "--passes",
    default=3,
    show_default=True,
    type=Count(),
    help="Augmented passes for each strength of augmentation; their features are cached.",
)
@click.option(
    "--fine-tune",
    default=AUTO,
    show_default=True,
    metavar="auto|none|all|NAME,…",
    help=f"Models whose base is trained too; auto: all on a GPU, {FINE_TUNED_ON_CPU} on a CPU.",
)
@cell_options
@cells_file_option
@click.option(
    "--beside",
    type=FilePath(path_type=Path, exists=True, dir_okay=False),
    metavar="STUDY.json",
    help="Cells: a study of the same whole fields, to show beside.",
)
@click.option(
    "--adoption",
    type=FilePath(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE.json",
    help="Cells: figures after adopting cells of another camera, for the first table.",
)
@click.option(
    "--laboratories",
    type=FilePath(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE.json",
    help="Cells: figures of other laboratories, for the first table.",
)
@groups_option
@geometry_option
@dataset_options
@seed_option
@click.option(
    "--out", default="study", show_default=True, type=FilePath(path_type=Path, file_okay=False)
)
@click.option(
    "--storage",
    metavar="URL",
    help="Optuna storage that several machines share.  [default: SQLite in the folder]",
)
@click.option(
    "--cache",
    type=FilePath(path_type=Path, file_okay=False),
    help="Folder of cached features.  [default: the user's cache folder]",
)
@click.option("--resume", is_flag=True, help="Continue the study in the folder.")
@click.option(
    "--heartbeat",
    "heartbeat_s",
    default=20,
    show_default=True,
    type=Count(),
    metavar="SECONDS",
    help="Between two heartbeats; a process that misses three is taken for dead.",
)
@click.option(
    "--ray",
    metavar="local|auto|ADDRESS",
    help="Have Ray workers take part: on this machine, on the cluster of this machine, or at "
    "HOST:PORT.",
)
@click.option(
    "--worker-cpus",
    type=Count(1, MOST_THREADS),
    default=1,
    show_default=True,
    metavar="N",
    help="CPUs of each Ray worker.",
)
@click.option(
    "--worker-gpus",
    type=FiniteFloatRange(0, 64),
    default=0.0,
    show_default=True,
    metavar="X",
    help="GPUs of each Ray worker, or a part of one.",
)
@click.option("--size", type=Count(32, 4096), default=224, hidden=True)
@force_option
@quiet_option
def study(
    data: tuple[Path, ...],
    models: str,
    weights: tuple[str, ...],
    splits: str | None,
    fine_tune: str,
    geometry: str,
    task: str,
    cells: CellSettings,
    size: int,
    out: Path,
    storage: str | None,
    cache: Path | None,
    resume: bool,
    heartbeat_s: int,
    ray: str | None,
    worker_cpus: int,
    worker_gpus: float,
    quiet: bool,
    **options: Any,
) -> None:
    """Tune and compare the six models, on one page.

    Learning rate, batch size, epochs and augmentation are tuned inside every training part, on
    cached features of the frozen base. Several machines with one --storage share the work. After
    an interruption, the same command with --resume continues.

    With the task cell, the networks judge the nucleated cells of each field, and the page has the
    figures of cells and of fields.

    \b
    Example:
      alledge study --data ALL_IDB1 --out study
    """
    require_packages("alledge study", STUDY_PACKAGES)
    from ...runtime.image_settings import ImageSettings
    from .options import StudyOptions
    from .stages import StudyLocation
    from .stages import study as run_study

    for name in ("beside", "adoption", "laboratories"):
        if options[name] is not None and task != CELL:
            raise UsageError(
                f"--{name} is an option of cells, and the task is field", fix="--task cell"
            )
    names = _split_names(models)
    size = cells.crop.size if task == CELL else size
    study_options = StudyOptions(
        data=data[0],
        more_data=data[1:],
        models=names,
        weights=read_weights(weights, names),
        splits=() if splits is None else _split_names(splits),
        fine_tune=_fine_tuned_models(fine_tune, names),
        image_settings=ImageSettings(size=size, geometry=geometry, draft=2 * size),
        cells=cells if task == CELL else None,
        **options,
    )
    location = StudyLocation(
        out=out,
        storage=storage,
        resume=resume,
        heartbeat_s=heartbeat_s,
        cache=cache,
        ray=ray,
        worker_cpus=worker_cpus,
        worker_gpus=worker_gpus,
    )
    echo(printable(str(run_study(study_options, location, quiet=quiet))))


def _split_names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise UsageError(f"{text!r} names nothing", allowed="one or more names, with commas")
    return names


def _fine_tuned_models(text: str, models: tuple[str, ...]) -> tuple[str, ...]:
    """Return the models whose base is fine-tuned, from the value of ``--fine-tune``."""
    if text == "none":
        return ()
    if text == "all":
        return models
    if text != AUTO:
        return _split_names(text)
    from ..networks.tensorflow_import import tf

    if tf.config.list_physical_devices("GPU"):
        return models
    return tuple(model for model in models if model == FINE_TUNED_ON_CPU)


def read_weights(values: tuple[str, ...], models: tuple[str, ...]) -> dict[str, str]:
    """Return the weights of every model from the values of ``--weights``.

    Parameters
    ----------
    values : tuple of str
        For all models ``imagenet``, ``none`` or a folder with ``MODEL.weights.h5``; for one model
        ``MODEL=`` and one of these or a file.
    models : tuple of str

    Returns
    -------
    dict of str to str
        ``imagenet``, ``none`` or a file, for every model.

    Raises
    ------
    UsageError
        If a file or a model's file in a folder does not exist, or there is no such model.

    Examples
    --------
    >>> read_weights(("none", "vgg16=imagenet"), ("vgg16", "vgg19"))
    {'vgg16': 'imagenet', 'vgg19': 'none'}
    """
    common, of_model = IMAGENET, {}
    for value in values:
        model, equals, own = value.partition("=")
        if equals and not Path(value).is_dir():
            of_model[architecture(model).name] = own
        else:
            common = value
    return {
        model: _own_weights(of_model[model], model)
        if model in of_model
        else _common_weights(common, model)
        for model in models
    }


def _own_weights(value: str, model: str) -> str:
    if value in (IMAGENET, NONE) or Path(value).is_file():
        return value
    if Path(value).is_dir():
        return _common_weights(value, model)
    raise UsageError(
        f"there is no file of weights {value!r} for {model}",
        allowed=f"{IMAGENET}, {NONE}, FILE, FOLDER",
        fix=f"--weights {model}=FILE, or --weights {model}=none for random weights",
    )


def _common_weights(value: str, model: str) -> str:
    if value in (IMAGENET, NONE):
        return value
    path = Path(value) / f"{model}.weights.h5"
    if not path.is_file():
        raise UsageError(
            f"there are no weights {path}",
            fix=f"--weights {model}=FILE, --weights {model}=none for random weights, "
            "or leave the model out with --models",
        )
    return str(path)
