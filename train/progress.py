"""What a person watching a training run sees, on stderr: the fold, the epoch, the time left."""

from __future__ import annotations

from types import TracebackType
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..runtime.metrics.metrics import Json

S = TypeVar("S", bound="Shown")


class Shown:
    """A bar that is on the screen as long as its ``with`` lasts; the subclass makes `_bar`."""

    _bar: Progress

    def __enter__(self: S) -> S:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()


class TrainingProgress(Shown):
    """A bar over all epochs of all folds; a line an epoch where there is no terminal.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
        )
        self._task = self._bar.add_task("reading images", total=None, figures="")

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def plan(self, epochs: int) -> None:
        """Say how many epochs there will be at most."""
        self._bar.update(self._task, total=epochs, completed=0)

    def stage(self, text: str) -> None:
        """Say what is being done now."""
        self._bar.update(self._task, description=text, figures="")
        if not self._console.is_terminal:
            self.say(text)

    def found(self, what: str, done: int, total: int) -> None:
        """Show how far the search for images that show the same is."""
        self._bar.update(
            self._task,
            description=f"images that show the same: {what}",
            total=total,
            completed=done,
        )

    def skip(self, done: int) -> None:
        """Move on to this many epochs: a fold has stopped early or was there already."""
        self._bar.update(self._task, completed=done)

    def epoch(self, stage: str, row: Json) -> None:
        """Show a row of the history."""
        figures = " ".join(
            f"{name.replace('_', ' ')} {row[name]:.3f}"
            for name in ("loss", "val_loss", "val_accuracy")
            if row[name] is not None
        )
        self._bar.update(
            self._task,
            description=f"{stage}, epoch {row['epoch']}",
            figures=figures,
            advance=1 if row["epoch"] else 0,
        )
        if not self._console.is_terminal:
            self.say(f"{stage}, epoch {row['epoch']}: {figures} ({row['seconds']:.1f} s)")


class CountProgress(Shown):
    """A bar over a count, one stage after the other; nothing where there is no terminal.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        console = Console(stderr=True, quiet=quiet)
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._bar.add_task("reading", total=None)

    def show(self, stage: str, done: int, total: int) -> None:
        """Show how far a stage is."""
        self._bar.update(self._task, description=stage, completed=done, total=total)
