"""Options and checks that several commands of this folder share; imports click and our errors."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path

import click

from ..errors import MissingPackageError
from ..runtime.option_types import FilePath

# Packages that the commands import beside the base install: module -> package.
AUDIT_PACKAGES = {
    "sklearn": "scikit-learn",
    "scipy": "scipy",
    "rich": "rich",
    "jinja2": "jinja2",
}
TRAIN_PACKAGES = {
    "tensorflow": "tensorflow",
    "keras": "keras",
    "sklearn": "scikit-learn",
    "matplotlib": "matplotlib",
    "rich": "rich",
    "scipy": "scipy",
    "statsmodels": "statsmodels",
}
STUDY_PACKAGES = {**TRAIN_PACKAGES, "optuna": "optuna", "jinja2": "jinja2"}

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
quiet_option = click.option("--quiet", is_flag=True, help="Show no progress.")
data_option = click.option(
    "--data", required=True, type=FilePath(path_type=Path), help="Folder of the data set."
)
data_sets_option = click.option(
    "--data",
    required=True,
    multiple=True,
    type=FilePath(path_type=Path),
    help="Folder of the data set; may be repeated for cells.",
)
cells_file_option = click.option(
    "--cells",
    "cells_file",
    type=FilePath(path_type=Path),
    metavar="FILE.csv",
    help="Cells: the true cells of fields; columns image,x,y,label.",
)
force_option = click.option(
    "--force",
    is_flag=True,
    help="Train although the same picture has two labels, or the base knows a picture.",
)
seed_option = click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0, 2**31 - 1)
)
groups_option = click.option(
    "--groups",
    type=FilePath(path_type=Path),
    metavar="FILE.csv",
    help="More images that stay together, beside overlapping ones; columns image,group.",
)
geometry_option = click.option(
    "--geometry",
    default="squash",
    show_default=True,
    type=click.Choice(["squash", "crop"]),
    help="How an image becomes a square: squash resizes it, crop takes the centre.",
)


def require_packages(purpose: str, packages: Mapping[str, str]) -> None:
    """Refuse to start a command if a package is missing, before it reads an image.

    Parameters
    ----------
    purpose : str
        The command, for the message.
    packages : mapping of str to str
        Module -> package.

    Raises
    ------
    MissingPackageError
    """
    for module, package in packages.items():
        if importlib.util.find_spec(module) is None:
            raise MissingPackageError(package, "train-cpu", purpose)
