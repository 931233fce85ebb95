"""Progress bars on stderr for the person who waits for a command; needs rich."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ..runtime.terminal import printable

P = TypeVar("P", bound="ProgressDisplay")


class ProgressDisplay:
    """A progress bar on stderr, shown inside its ``with`` block and only on a terminal.

    Parameters
    ----------
    *columns : ProgressColumn
        Columns of the bar.
    quiet : bool
        Show nothing.
    transient : bool
        Remove the bar at the end.
    """

    def __init__(
        self, *columns: ProgressColumn, quiet: bool = False, transient: bool = False
    ) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._bar = Progress(
            *columns,
            console=self._console,
            disable=quiet or not self._console.is_terminal,
            transient=transient,
        )

    def __enter__(self: P) -> P:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """Print a line that stays on the screen."""
        self._console.print(printable(text), highlight=False, markup=False, soft_wrap=True)

    def say_without_terminal(self, text: str) -> None:
        """Print a line where no bar is shown, as in a log file."""
        if not self._console.is_terminal:
            self.say(text)


class TrainingProgress(ProgressDisplay):
    """One bar over all epochs of all folds; one line per epoch if there is no terminal.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        super().__init__(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            quiet=quiet,
        )
        self._task = self._bar.add_task("reading images", total=None, figures="")

    def plan(self, epochs: int) -> None:
        """Set the largest number of epochs that the run can take, and start the bar at 0."""
        self._bar.update(self._task, total=epochs, completed=0)

    def stage(self, text: str) -> None:
        """Show what the run does now."""
        self._bar.update(self._task, description=printable(text), figures="")
        self.say_without_terminal(text)

    def overlap_search(self, stage: str, done: int, total: int) -> None:
        """Show how far the search for overlapping images is."""
        self.count(f"search for overlapping images: {stage}", done, total)

    def count(self, stage: str, done: int, total: int) -> None:
        """Show how many images of a stage are done."""
        self._bar.update(self._task, description=stage, total=total, completed=done)

    def skip(self, done: int) -> None:
        """Set the number of epochs done, after a fold that stopped early or was finished before."""
        self._bar.update(self._task, completed=done)

    def epoch(self, stage: str, row: Mapping[str, Any]) -> None:
        """Show a row of the training history."""
        figures = " ".join(
            f"{name.replace('_', ' ')} {row[name]:.3f}"
            for name in ("loss", "val_loss", "val_accuracy")
            if row[name] is not None
        )
        text = f"{stage}, epoch {row['epoch']}"
        self._bar.update(
            self._task,
            description=printable(text),
            figures=figures,
            advance=1 if row["epoch"] else 0,
        )
        self.say_without_terminal(f"{text}: {figures} ({row['seconds']:.1f} s)")


class CountProgress(ProgressDisplay):
    """One bar that counts items, one stage after the other; nothing if there is no terminal.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        super().__init__(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            quiet=quiet,
        )
        self._task = self._bar.add_task("reading", total=None)

    def show(self, stage: str, done: int, total: int) -> None:
        """Show how many items of a stage are done."""
        self._bar.update(self._task, description=printable(stage), completed=done, total=total)
