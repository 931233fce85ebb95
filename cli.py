"""The command line: lists all commands and imports the one that runs; imports click only."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import Any

import click

from . import __version__
from .errors import AlledgeError

# command -> (module:attribute, first line of its help). The lines are here, so that --help imports
# no command.
COMMANDS: dict[str, tuple[str, str]] = {
    "models": ("train.commands:models", "List the six architectures and their parameters."),
    "audit": ("train.commands:audit", "Find shortcuts that predict the label of a data set."),
    "train": ("train.commands:train", "Fine-tune one model on a data set."),
    "study": ("train.study.commands:study", "Tune and compare the six models, on one page."),
    "evaluate": ("train.commands:evaluate", "Measure a run or a bundle on a data set."),
    "export": ("export.commands:export", "Quantize a run and convert it into a bundle."),
    "verify": ("runtime.commands:verify", "Check that a bundle computes the same scores here."),
    "classify": ("runtime.commands:classify", "Classify images of blood smears."),
    "benchmark": (
        "benchmarks.commands:benchmark",
        "Measure accuracy, latency and memory of bundles.",
    ),
    "devices": ("devices.commands:devices", "List boards, detect this one, recommend a model."),
    "doctor": ("devices.commands:doctor", "Check this machine, and a bundle on it."),
    "pack": ("devices.commands:pack", "Write an offline installer for a board."),
    "keygen": ("devices.commands:keygen", "Make a pair of keys that sign packs."),
    "report": (
        "benchmarks.commands:report",
        "Make one page from the results of many machines.",
    ),
    "demo": ("train.demo.commands:demo", "Run everything on generated smears, in minutes."),
}


class LazyGroup(click.Group):
    """A group that imports the module of a command only when that command runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(
            importlib.import_module(f".{module}", __package__), attribute
        )
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AlledgeError as error:
            click.echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="alledge")
def main() -> None:
    """Classify blood smears as leukaemic or healthy, from training to the microscope.

    Research software, not a medical device.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a Windows console cannot show every character
            stream.reconfigure(errors="backslashreplace")


def run() -> None:
    """Run the command of this process; the entry of ``alledge`` and ``python -m alledge``.

    `classify` starts without the garbage collector and exits without freeing the engine, because
    both take longer than classifying an image. All other commands exit normally.
    """
    if sys.argv[1:2] != ["classify"]:
        main(prog_name="alledge")
        return
    gc.disable()  # `batch.classify_to` enables it when the bundle is loaded
    code = 1
    try:
        main(prog_name="alledge")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # a full disk or a closed pipe is an error
        code = code or 1
    os._exit(code)
