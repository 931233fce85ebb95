"""The pages of an adoption and a commissioning, each one HTML file; standard library only.

Jinja2 and matplotlib, which the pages of the desk use, are not on a device.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ..pages.environment import stylesheet
from ..terminal import printable, printable_document
from .adoption import AdoptionDocument, CurvePoint
from .commissioning import CommissionDocument, commission_text
from .judgement import Figures, Share

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 230, 52, 18, 14, 40
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
ROWS = (("auc", "AUC"), ("sensitivity", "sensitivity"), ("specificity", "specificity"))
STAIN_WORDS = {
    "depth_50": "green density of a field, median",
    "depth_75": "… exceeded by a quarter of it",
    "depth_95": "… exceeded by a twentieth of it",
    "red_depth": "stain: red density over green",
    "blue_depth": "stain: blue density over green",
}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
{style}</style>
</head>
<body><main>
{body}
<footer>alledge {version}. Research software, not a medical device.</footer>
</main></body>
</html>
"""


def adoption_page(document: AdoptionDocument, version: str) -> str:
    """Return the page of an adoption.

    Parameters
    ----------
    document : dict
        From `adopt_site`.
    version : str
        Of alledge.
    """
    site, examples = _text(document["site"]), document["examples"]
    verdict = "Adopted" if document["adopted"] else "Nothing was changed"
    left_out = "".join(
        f"<li>{count} left out: {_text(why)}</li>" for why, count in examples["left_out"].items()
    )
    body = f"""<h1>{site}: {verdict.lower()}</h1>
<p class="lead">{examples["count"]} checked examples of {examples["groups"]} smears or images,
{examples["positive"]} of them positive. Bundle {_text(document["bundle"]["name"])}
<code>{_text(document["bundle"]["digest"][:19])}</code>, {_text(document["backend"])}.</p>
<p class="box"><b>{verdict}.</b> {_text(_sentence(document["reason"]))}. {_hope(document)}</p>
<ul>{left_out}</ul>
<h2>Before and after</h2>
<p>After: each smear is judged by a layer that was fitted to the others. 95 % intervals; those of
sensitivity and specificity take the examples as independent, and are too narrow for many cells of
one smear.</p>
{_table(document)}
<figure>{_intervals(document)}<figcaption>Upper line: shipped. Lower line: refitted,
cross-validated.</figcaption></figure>
<h2>Learning curve</h2>
<figure>{_curve(document["curve"])}<figcaption>AUC on smears that were left out, by the number of
checked examples; 0 is the shipped layer.</figcaption></figure>"""
    return PAGE.format(
        policy=POLICY,
        title=f"alledge: {site}",
        style=stylesheet(),
        body=body,
        version=_text(version),
    )


def commission_page(document: CommissionDocument, version: str) -> str:
    """Return the page of a commissioning.

    Parameters
    ----------
    document : dict
        From `commission_site`.
    version : str
        Of alledge.
    """
    lines = commission_text(printable_document(document)).split("\n")
    site, microscope = _text(document["site"]), document["microscope"]
    rows = [
        ("background, red green blue", " ".join(f"{value:g}" for value in microscope["white"])),
        ("erythrocyte, pixels", microscope["erythrocyte_px"] or "not known"),
        ("noise, levels of 255", microscope["noise"]),
        ("sharpness", microscope["sharpness"]),
        *((STAIN_WORDS.get(key, key), value) for key, value in microscope["stain"].items()),
        *((f"fields with the flag {key}", count) for key, count in document["flags"].items()),
    ]
    table = "".join(f"<tr><th>{_text(k)}</th><td>{_text(v)}</td></tr>" for k, v in rows)
    start = lines.index("")
    body = f"""<h1>{site}: {_text(document["verdict"])}</h1>
<p class="box">{"<br>".join(map(escape, lines[start + 1 :]))}</p>
<h2>What was measured</h2>
<pre>{escape(chr(10).join(lines[:start]))}</pre>
<div class="scroll narrow-table"><table class="words">{table}</table></div>"""
    return PAGE.format(
        policy=POLICY,
        title=f"alledge: {site}",
        style=stylesheet(),
        body=body,
        version=_text(version),
    )


def _sentence(text: str) -> str:
    """Return a text with an upper-case first letter; ``str.capitalize`` would lower "AUC"."""
    return text[:1].upper() + text[1:]


def _text(value: object) -> str:
    return escape(printable(str(value)))


def _hope(document: AdoptionDocument) -> str:
    if document["adopted"]:
        return f"Version {document['version']} is in use."
    if document["more"]:
        return f"About {document['more']} more checked examples like these would settle it."
    return "More examples like these are not expected to change that."


def _table(document: AdoptionDocument) -> str:
    lines = []
    for key, name in ROWS:
        cells = "".join(_cell(*_interval(document[side], key)) for side in ("before", "after"))  # type: ignore[literal-required]
        lines.append(f"<tr><th>{name}</th>{cells}</tr>")
    for key, name in (("brier", "Brier score"), ("ece", "expected calibration error")):
        values = (document["before"][key], document["after"][key])  # type: ignore[literal-required]
        cells = "".join(f'<td class="n">{value:.3f}</td>' for value in values)
        lines.append(f"<tr><th>{name}</th>{cells}</tr>")
    head = '<tr><th></th><th class="n">shipped</th><th class="n">after adopting</th></tr>'
    return f'<div class="scroll narrow-table"><table>{head}{"".join(lines)}</table></div>'


def _cell(value: float, low: float, high: float) -> str:
    return f'<td class="n">{value:.3f} <span class="ci">({low:.3f}–{high:.3f})</span></td>'


def _interval(figures: Figures, key: str) -> tuple[float, float, float]:
    if key == "auc":
        low, high = figures["auc_interval"]
        return figures["auc"], low, high
    row: Share = figures[key]  # type: ignore[literal-required]
    return row["value"], row["low"], row["high"]


def _intervals(document: AdoptionDocument) -> str:
    """Return a chart with a line for each interval, from 0 to 1."""
    parts = [_axis_x([0, 0.25, 0.5, 0.75, 1.0], 0.0, 1.0, "{:g}")]
    step = (HEIGHT - TOP - BOTTOM) / len(ROWS)
    for row, (key, name) in enumerate(ROWS):
        middle = TOP + step * (row + 0.5)
        label = name if len(name) < 6 else f"{name[:5]}."
        parts.append(
            f'<text x="{LEFT - 8}" y="{middle + 4:.1f}" text-anchor="end" font-size="11" '
            f'fill="var(--soft)">{label}</text>'
        )
        for side, at, colour in (("before", -7, "soft"), ("after", 7, "accent")):
            value, low, high = _interval(document[side], key)  # type: ignore[literal-required]
            y = middle + at
            parts.append(
                f'<line x1="{_x(low):.1f}" x2="{_x(high):.1f}" y1="{y:.1f}" y2="{y:.1f}" '
                f'stroke="var(--{colour})" stroke-width="3"/>'
                f'<circle cx="{_x(value):.1f}" cy="{y:.1f}" r="4.5" fill="var(--{colour})"/>'
            )
    return _svg("AUC, sensitivity and specificity before and after", parts)


def _curve(points: Sequence[CurvePoint]) -> str:
    """Return a chart of the AUC over the number of examples."""
    most = max(point["examples"] for point in points)
    lowest = min(0.5, *(point["auc"] for point in points))

    def place(point: CurvePoint) -> tuple[float, float]:
        share = (point["auc"] - lowest) / (1 - lowest)
        return _x(point["examples"] / most), HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    parts = [_axis_x([point["examples"] for point in points], 0, most, "{:d}")]
    for value in (lowest, (lowest + 1) / 2, 1.0):
        _, y = place({"examples": 0, "auc": value})
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
            'stroke="var(--line)"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" font-size="11" '
            f'fill="var(--soft)">{value:.2f}</text>'
        )
    places = [place(point) for point in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts.append(f'<polyline points="{line}" fill="none" stroke="var(--accent)" stroke-width="2"/>')
    for (x, y), point in zip(places, points, strict=True):
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="var(--accent)">'
            f"<title>{point['examples']} examples: {point['auc']:.3f}</title></circle>"
        )
    return _svg("AUC by the number of checked examples", parts)


def _axis_x(values: Sequence[float], low: float, high: float, style: str) -> str:
    y = HEIGHT - BOTTOM
    parts = [f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="var(--line)"/>']
    for value in values:
        parts.append(
            f'<text x="{_x((value - low) / (high - low or 1)):.1f}" y="{y + 18}" font-size="11" '
            f'text-anchor="middle" fill="var(--soft)">{style.format(value)}</text>'
        )
    return "".join(parts)


def _x(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _svg(title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="{escape(title)}" font-family="system-ui, sans-serif">'
        f"{''.join(parts)}</svg>"
    )
