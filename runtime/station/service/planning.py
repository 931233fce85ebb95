"""From the words of a command line to what a service runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path, PurePath

import click
from click.core import ParameterSource

from ....errors import UsageError
from ...option_types import FilePath
from ..commands import serve, watch
from ..mqtt.broker import has_credentials
from ..server.access_options import is_loopback
from .types import ServicePlan


def plan_service(
    words: Sequence[str],
    *,
    has_page: bool,
    command: Sequence[str],
    default_home: PurePath,
    user: str,
) -> ServicePlan:
    """Return what a service runs, with every path absolute.

    Parameters
    ----------
    words : sequence of str
        Folders and options of ``alledge serve``, or of ``alledge watch``.
    has_page : bool
        Run ``serve``; otherwise ``watch``.
    command : sequence of str
        The program and its first arguments.
    default_home : PurePath
        Where the words have no ``--home``.
    user : str

    Returns
    -------
    ServicePlan

    Raises
    ------
    UsageError
        If a secret is among the words, `watch` has nothing to watch or would end, or the folder of
        a program does not exist.
    click.UsageError
        If the words are no options of the command.
    """
    runs = serve if has_page else watch
    name = str(runs.name)
    # as below `alledge`: click keeps the help option of a command from its first context on
    context = runs.make_context(name, list(words), help_option_names=["-h", "--help"])
    named, arguments = _named(context), [name]
    values = {key: value for key, value in context.params.items() if _is_used(context, key)}
    _check(values, has_page)
    for parameter in runs.params:
        value = values.get(str(parameter.name))
        if parameter.name in named and isinstance(parameter, click.Option):
            arguments += _words_of(parameter, value)
    home = PurePath(os.path.abspath(values["home"])) if values.get("home") else default_home  # noqa: PTH100
    folders = tuple(os.path.abspath(folder) for folder in values["folders"])  # noqa: PTH100
    if not values.get("home"):
        arguments += ["--home", str(home)]
    camera_folder = values["camera_folder"]
    return ServicePlan(
        tuple(command), (*arguments, "--", *folders), home, folders,
        () if camera_folder is None else (Path(camera_folder).absolute(),), user,
        is_local=is_loopback(values.get("host", "127.0.0.1")) and values.get("mqtt") is None,
        has_camera=values["camera"] is not None,
    )  # fmt: skip


def this_command() -> tuple[str, ...]:
    """Return what starts alledge from here: its script, or this Python."""
    program = Path(sys.argv[0])
    if program.stem == "alledge" and program.is_file() and os.name != "nt":
        return (str(program.absolute()),)
    # without a console window, where Windows has that Python
    windowless = Path(sys.executable).with_name("pythonw.exe")
    python = windowless if windowless.is_file() else Path(sys.executable)
    return (str(python), "-m", "alledge")


def _named(context: click.Context) -> set[str | None]:
    """Return the parameters that the words have; not those of the environment."""
    return {
        name
        for name in context.params
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def _is_used(context: click.Context, name: str) -> bool:
    """Return whether a value is for the service: one of this environment is not."""
    return context.get_parameter_source(name) is not ParameterSource.ENVIRONMENT


def _words_of(option: click.Option, value: object) -> list[str]:
    name = option.opts[0]
    if option.is_flag:
        return [name]
    values = value if isinstance(value, tuple) else (value,)
    is_path = isinstance(option.type, FilePath)
    words = [os.path.abspath(str(each)) if is_path else str(each) for each in values]  # noqa: PTH100
    return [word for each in words for word in (name, each)]


def _check(values: dict[str, object], has_page: bool) -> None:
    if values.get("token") is not None:
        raise UsageError(
            "a service file is no place for a token: every user can read it",
            fix="write ALLEDGE_TOKEN=… into the file that `alledge station install` names",
        )
    if isinstance(mqtt := values.get("mqtt"), str) and has_credentials(mqtt):
        raise UsageError(
            "a service file is no place for a password: every user can read it",
            fix="write ALLEDGE_MQTT_USER=… and ALLEDGE_MQTT_PASSWORD=… into the file that "
            "`alledge station install` names",
        )
    if not has_page and not values["folders"] and values["camera"] is None:
        raise UsageError("there is nothing to watch", fix="name a folder, or --camera 0")
    if values.get("once"):
        raise UsageError("a service does not end", fix="leave --once out")
    camera = values["camera"]
    if isinstance(camera, str) and Path(camera).is_file():
        raise UsageError("a recording ends, and a service does not", fix="--camera 0")
