"""The command line: lists all commands and imports the one that runs; imports click only."""

# ruff: noqa: E402  the handlers of signals come before the other imports
from __future__ import annotations

import os
import sys

# The script of alledge imports this module first. Its signal handlers are set before click is
# imported, which takes longer than everything before.
SCRIPT = sys.argv[0].replace("\\", "/").rpartition("/")[2]
if SCRIPT.startswith("alledge") or sys.argv[0] == __file__.replace("cli.py", "__main__.py"):
    from .runtime.interrupts import install

    install()

import gc
import importlib
import io
from collections.abc import Sequence
from typing import Any

import click

from . import __version__
from .errors import AlledgeError

DEBUG_VARIABLE = "ALLEDGE_DEBUG"  # any value but an empty one prints tracebacks

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
    "commission": (
        "runtime.sites.commands:commission",
        "Say whether a bundle covers a microscope.",
    ),
    "adopt": ("runtime.sites.commands:adopt", "Refit the last layer to checked cells of a site."),
    "watch": ("runtime.station.commands:watch", "Classify what a camera saves into folders."),
    "serve": ("runtime.station.commands:serve", "Serve the local page and a REST interface."),
    "history": (
        "runtime.station.history.commands:history",
        "List, show, export and verify past results.",
    ),
    "station": (
        "runtime.station.service.commands:station",
        "Run the workstation as a service.",
    ),
    "archive": (
        "runtime.archive.commands:archive",
        "Classify an archive into Parquet, and report.",
    ),
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

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and exit; print the errors that are expected, on standard error."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, False, **extra)
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            from .runtime.terminal import echo, printable

            stream = io.StringIO()
            error.show(stream)
            text = stream.getvalue().rstrip("\n")
            for word in sys.argv[1:] if args is None else args:
                if not word.isprintable():  # `show` has removed the escape codes
                    text = text.replace(click.unstyle(word), printable(word))
            echo(text, err=True)
            sys.exit(error.exit_code)
        sys.exit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AlledgeError as error:
            from .runtime.interrupts import Interrupted, received
            from .runtime.terminal import echo

            if number := received():  # an engine's import turned the signal into this error
                raise Interrupted(number) from error
            echo(f"error: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:  # of a child process, or without `interrupts.install`
            from .runtime.interrupts import SIGINT, Interrupted

            raise Interrupted(SIGINT) from None
        except EOFError as error:  # click would print "Aborted!"
            raise UnexpectedEndError(str(error)) from error


class UnexpectedEndError(Exception):
    """A file ended too early, and the command did not expect that."""


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

    Whatever happens, the process ends with an exit code and at most one message; docs/runtime.md
    lists the codes. `classify` and `watch` start without the garbage collector and exit without
    freeing the engine, because both take longer than classifying an image. All other commands exit
    normally.
    """
    from .runtime import interrupts
    from .runtime.terminal import output_error, repair_streams

    repair_streams()
    interrupts.install()
    interrupts.keep_stderr()  # after the repair: the copy must not become standard output
    is_quick = sys.argv[1:2] in (["classify"], ["watch"])
    if is_quick:
        gc.disable()  # `collect_from_now_on` enables it when the bundle is loaded
    if sys.argv[1:2] != ["classify"]:
        interrupts.end_at_once(False)
    code = _exit_code()
    interrupts.end_at_once(True)
    if (error := output_error()) is not None:
        code = code or 1
        _report_output_error(error)
    if is_quick:
        os._exit(code)
    sys.exit(code)


def _exit_code() -> int:
    """Run the command, print an error that is not expected, and return the exit code."""
    from .runtime import interrupts
    from .runtime.terminal import echo, output_error

    try:
        try:
            main(prog_name="alledge")
        finally:
            if number := interrupts.received():  # whatever a library made of it
                raise interrupts.Interrupted(number)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except (interrupts.Interrupted, KeyboardInterrupt, click.Abort) as error:
        number = getattr(error, "number", interrupts.SIGINT)
        echo(interrupts.line(number), err=True)
        return interrupts.exit_code(number)
    except BaseException as error:
        code = 1
        if (problem := output_error()) is not None:
            _report_output_error(problem)
        else:
            echo(_describe(error), err=True)
    return code


def _report_output_error(error: OSError) -> None:
    """Say that standard output could not be written; nothing if its reader has gone."""
    import errno

    from .runtime.terminal import echo

    if error.errno == errno.EPIPE or (os.name == "nt" and error.errno == errno.EINVAL):
        return  # as in `alledge classify … | head -1`
    reason = "it is closed" if error.errno == errno.EBADF else error.strerror
    echo(f"error: standard output cannot be written: {reason}; the output is incomplete", err=True)


def _describe(error: BaseException) -> str:
    """Return the message for an exception that no command expects."""
    from .runtime.terminal import printable

    if os.environ.get(DEBUG_VARIABLE):
        import traceback

        return "".join(traceback.format_exception(error)).rstrip()
    if isinstance(error, MemoryError):
        return "error: out of memory; end other programs, or use fewer threads (--threads 1)"
    if isinstance(error, OSError):
        return f"error: {printable(str(error) or type(error).__name__)}"
    if isinstance(error, UnexpectedEndError):
        return (
            f"error: a file ends too early: {printable(str(error))}; {DEBUG_VARIABLE}=1 shows where"
        )
    reason = printable(str(error))
    return (
        f"error: {type(error).__name__}{': ' if reason else ''}{reason}; this is an error in "
        f"alledge, please report it with the output of the same command with {DEBUG_VARIABLE}=1"
    )
