"""The progress of an export on stderr: the current step and the time so far."""

from __future__ import annotations

import time

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..runtime.terminal import printable
from ..train.progress import ProgressDisplay


class ExportProgress(ProgressDisplay):
    """A bar that counts steps; one line per step if there is no terminal.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        super().__init__(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(pulse_style="cyan"),
            TextColumn("step {task.completed} of {task.fields[total_text]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            quiet=quiet,
            transient=True,
        )
        self._task = self._bar.add_task("reading the run", total=None, total_text="?")
        self._started = 0  # steps
        self._began = time.monotonic()

    def plan(self, steps: int) -> None:
        """Set the number of steps of the whole export; another recipe adds steps."""
        self._bar.update(self._task, total=steps, total_text=str(steps))

    def step(self, title: str) -> None:
        """Show the step that begins."""
        self._started += 1
        task = self._bar.tasks[0]
        if task.total is not None and self._started > task.total:
            self.plan(self._started)
        self._bar.update(self._task, description=printable(title), completed=self._started)
        self.say_without_terminal(f"{time.monotonic() - self._began:6.0f} s  {title}")
