"""The bars of a site as SVG text: what a person waits for, on the quickest engine of each artifact.

Colours come from the page's style sheet by class.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from .chart_marks import CHARACTER, svg, tip
from .formatting import milliseconds
from .pareto_chart import quickest
from .result_merging import Site
from .selection_criteria import is_model_alone

Json = dict[str, Any]

BAR, GAP, ABOVE = 15, 7, 16  # pixels; a narrow picture has names above the bars
NARROW = 600


def scale(site: Site, sites: Sequence[Site]) -> float:
    """Return the milliseconds of the longest bar of all sites that show the same as this one.

    A site of which only the model alone is known has a scale apart from those with the whole way.
    """
    alike = [one for one in sites if is_alone(one) == is_alone(site)]
    return max((_median(row) for one in alike for row in fastest_engines(one)), default=1.0)


def is_alone(site: Site) -> bool:
    """Return whether only the model alone is known of everything on a site."""
    return all(is_model_alone(row) for row in site.rows if row["status"] == "ok")


def bars(site: Site, width: int, longest: float) -> str:
    """Return the bars of a site: each artifact on its quickest engine.

    Parameters
    ----------
    site : Site
    width : int
    longest : float
        Milliseconds of the longest bar, as `scale` returns it.
    """
    rows = fastest_engines(site)
    if not rows:
        return ""
    narrow = width < NARROW
    names = [f"{row['model']} {row['precision']}" for row in rows]
    said = [_said(row, narrow, is_alone(site)) for row in rows]
    left = 0.0 if narrow else max(map(len, names)) * CHARACTER + 10
    room = width - left - max(map(len, said)) * CHARACTER - 10
    step = BAR + GAP + (ABOVE if narrow else 0)
    parts: list[str] = []
    for number, (row, text, words) in enumerate(zip(rows, names, said, strict=True)):
        y = number * step + 4
        label = f'<text class="label" x="{left - 8:.1f}" y="{y + 12}" text-anchor="end">'
        if narrow:
            label = f'<text class="label" x="0" y="{y + 11}">'
            told = is_alone(site) or not is_model_alone(row)
            text += f" · {row['backend']}" + ("" if told else " · the model alone")
            y += ABOVE
        end = left + max(room * _median(row) / longest, 1) + 6
        parts += [f"{label}{escape(text)}</text>", *_bar(row, left, y, room / longest)]
        parts.append(f'<text class="value" x="{end:.1f}" y="{y + 12}">{escape(words)}</text>')
    return svg(parts, width, len(rows) * step + 8, f"{site.title}: median waiting time")


def _said(row: Json, narrow: bool, told: bool) -> str:
    """Word what stands behind a bar; `told` is whether the heading says "the model alone"."""
    if narrow:
        return milliseconds(_median(row))
    alone = " · model alone" if is_model_alone(row) and not told else ""
    plural = "" if row["threads"] == 1 else "s"
    what = f"{row['backend']}, {row['threads']} thread{plural}"
    return f"{milliseconds(_median(row))} ms · {what}{alone}"


def _bar(row: Json, left: float, y: float, per_ms: float) -> list[str]:
    whole = _median(row)
    model = min(row["latency"]["p50_ms"], whole) if row["latency"] else whole
    parts = [f'<g class="{row["backend"]} {row["kind"]}"><title>{escape(tip(row))}</title>']
    for kind, ms in (("rest", whole), ("bar", model)):
        parts.append(
            f'<rect class="{kind}" x="{left:.1f}" y="{y}" height="{BAR}" '
            f'width="{max(per_ms * ms, 1):.1f}"/>'
        )
    return [*parts, "</g>"]


def fastest_engines(site: Site) -> list[Json]:
    """Return each bundle's row on the engine that answers soonest, quickest first."""
    best: dict[str, Json] = {}
    for row in quickest(site.rows):
        key = f"{row['digest'] or row['bundle']} {row['kind']}"
        if key not in best or _median(row) < _median(best[key]):
            best[key] = row
    return sorted(best.values(), key=lambda row: (is_model_alone(row), _median(row)))


def _median(row: Json) -> float:
    return float((row["end_to_end"] or row["latency"])["p50_ms"])
