"""The garbage collector, which is switched off while a command starts."""

from __future__ import annotations

import gc


def collect_from_now_on() -> None:
    """Switch the garbage collector on if `cli.run` switched it off; what is loaded stays."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
