"""The progress of an export on stderr: the current step and the time so far."""

from __future__ import annotations

import time

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

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
            TextColumn("step {task.completed}"),
            TimeElapsedColumn(),
            quiet=quiet,
            transient=True,
        )
        # A repair adds steps, so the total is not known.
        self._task = self._bar.add_task("reading the run", total=None)
        self._began = time.monotonic()

    def step(self, title: str) -> None:
        """Show the step that begins."""
        self._bar.update(self._task, description=printable(title), advance=1)
        self.say_without_terminal(f"{time.monotonic() - self._began:6.0f} s  {title}")
