"""What a person watching an export sees, on stderr: the step that runs and how long it takes."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ..train.progress import Shown


class ExportProgress(Shown):
    """A bar over the steps; a line a step where there is no terminal.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(pulse_style="cyan"),
            TextColumn("step {task.completed}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("reading the run", total=None)
        self._began = time.monotonic()

    def step(self, title: str) -> None:
        """Say which step begins; the number of steps is not known: repair adds some."""
        self._bar.update(self._task, description=title, advance=1)
        if not self._console.is_terminal:
            self.say(f"{time.monotonic() - self._began:6.0f} s  {title}")

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
