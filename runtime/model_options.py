"""Command-line options of every command that runs a model; imports click only."""

from __future__ import annotations

import click

from .option_types import MOST_THREADS, Count, FilePath, FiniteFloatRange

backend_option = click.option(
    "--backend",
    default="auto",
    show_default=True,
    metavar="auto|tflite|onnx|openvino",
    help="Engine that computes the scores.",
)
threads_option = click.option(
    "--threads",
    type=Count(1, MOST_THREADS),
    metavar="N",
    help="Number of threads.  [default: physical cores within the CPU quota]",
)
timeout_option = click.option(
    "--timeout",
    "timeout_s",
    type=FiniteFloatRange(min_open=True),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for reading an image, and for one prediction. An image that takes longer "
    "is an error.",
)
taken_as_option = click.option(
    "--as",
    "taken_as",
    type=click.Choice(["auto", "field", "cell"]),
    default="auto",
    show_default=True,
    help="Of a cell bundle: whether an image is a field or one cell. auto: the nuclei decide.",
)
site_option = click.option(
    "--site",
    metavar="NAME",
    help="Profile of this microscope, from `alledge adopt`.  [default: $ALLEDGE_SITE, else none]",
)
site_home_option = click.option(
    "--home",
    type=FilePath(),
    metavar="DIR",
    help="Folder of the site profiles.  [default: $ALLEDGE_HOME, else the user data folder]",
)
