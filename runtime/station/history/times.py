"""Times that people type, as the history has them."""

from __future__ import annotations

import datetime
import re
from typing import Any

import click

DAYS = re.compile(r"(\d{1,5})d")


class TimeOption(click.ParamType):  # type: ignore[type-arg]
    """A point in time: a date, a date with a time, both of this machine's zone, or days ago."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if (text := utc_text(str(value))) is None:
            self.fail(
                f"{value!r} is no time; allowed: 2026-01-31, 2026-01-31T12:30, or 30d for 30 days "
                "ago.",
                param,
                ctx,
            )
        return text


def utc_text(text: str) -> str | None:
    """Return a time that a person typed as the history has it; None if it is none.

    Parameters
    ----------
    text : str
        A date or a date with a time, of this machine's zone unless it has an offset, or a number
        of days before now, such as ``30d``.

    Examples
    --------
    >>> utc_text("2026-01-31T12:30+01:00")
    '2026-01-31T11:30:00.000Z'
    """
    if days := DAYS.fullmatch(text.strip()):
        moment = datetime.datetime.now(datetime.timezone.utc)
        try:
            moment -= datetime.timedelta(days=int(days[1]))
        except OverflowError:
            return None
    else:
        try:
            moment = datetime.datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
            moment = moment.astimezone(datetime.timezone.utc)
        except (ValueError, OverflowError, OSError):
            return None
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
