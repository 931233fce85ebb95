"""Turns a matplotlib figure into small SVG that takes its colours from the style sheet."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from ...errors import MissingPackageError
from .environment import palette_css

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SVG = "http://www.w3.org/2000/svg"
HREF = "{http://www.w3.org/1999/xlink}href"
DPI = 72  # one point is one pixel of the picture
FONT = "system-ui, sans-serif"  # in the picture; text is measured in DejaVu Sans, which is wider
LONGEST_TEXT = 28  # characters; more would leave a narrow chart no space for its marks
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
NUMBER = re.compile(r"-?\d+\.\d{3,}")
HEX = re.compile(r"#[0-9a-f]{6}\b")


def colours() -> dict[str, str]:
    """Return the light colours of the style sheet by name, such as ``{"ink": "#1d2126"}``.

    A figure is drawn in these. `figure_svg` replaces each with the variable of its name, so that a
    page shows the same picture in light and dark.
    """
    light = palette_css().partition("@media")[0]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))


@contextmanager
def chart_style() -> Iterator[dict[str, str]]:
    """Set the style of charts; give the colours to draw with.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.

    Examples
    --------
    >>> with chart_style() as colour:
    ...     figure = Figure(figsize=(300 / DPI, 200 / DPI), layout="constrained")
    ...     figure.subplots().plot([0, 1], [0, 1], color=colour["accent"])
    ...     text = figure_svg(figure, "A line")
    """
    try:
        import matplotlib as mpl
    except ModuleNotFoundError:
        raise MissingPackageError("matplotlib", "report", "drawing a chart") from None
    colour = colours()
    style = {
        "figure.dpi": DPI,
        "font.family": "DejaVu Sans",
        "font.size": 11,
        "text.color": colour["ink"],
        "text.parse_math": False,
        "axes.facecolor": "none",
        "axes.edgecolor": colour["line"],
        "axes.labelcolor": colour["soft"],
        "axes.labelsize": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": colour["line"],
        "xtick.color": colour["soft"],
        "ytick.color": colour["soft"],
        "xtick.bottom": False,
        "ytick.left": False,
        "legend.frameon": False,
        "legend.labelcolor": colour["soft"],
        "svg.fonttype": "none",
    }
    with mpl.rc_context(style), warnings.catch_warnings():
        # A character that DejaVu Sans lacks is measured as a box and drawn in the reader's font.
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        warnings.filterwarnings("ignore", "constrained_layout not applied", UserWarning)
        yield colour


def plain_text(text: object) -> str:
    """Return text for a chart: one line, no control characters, not too long."""
    line = CONTROL.sub("\ufffd", " ".join(str(text).split()))
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"


def figure_svg(
    figure: Figure, title: str, tooltips: Mapping[str, str] | None = None, alone: bool = False
) -> str:
    """Return a figure as SVG. Call it inside `chart_style`.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    title : str
        What the picture shows, for readers who cannot see it.
    tooltips : mapping of str to str, optional
        By the `gid` of an artist, the text shown when the pointer is on it. A gid is
        ``CLASS:NUMBER``; the element gets that class.
    alone : bool
        Whether the picture is a file of its own, and has to bring its colours.

    Returns
    -------
    str
        The same figure gives the same text in every process.
    """
    import matplotlib as mpl

    stream, label = io.StringIO(), CONTROL.sub("\ufffd", title)
    with mpl.rc_context({"svg.hashsalt": f"{label} {figure.get_figwidth():.2f}"}):
        figure.savefig(stream, format="svg", dpi=DPI, transparent=True, metadata={"Date": None})
    root = ElementTree.fromstring(stream.getvalue())
    # The first definitions are a style sheet of matplotlib, which would apply to the whole page.
    for child in root.findall(f"{{{SVG}}}metadata") + root.findall(f"{{{SVG}}}defs")[:1]:
        root.remove(child)
    width, height = (f"{float(size):g}" for size in root.attrib["viewBox"].split()[2:])
    root.attrib.clear()
    root.attrib |= {"viewBox": f"0 0 {width} {height}", "width": width, "height": height}
    root.attrib |= {"role": "img", "aria-label": label, "class": "chart"}
    root.attrib |= {"stroke-linejoin": "round", "font-family": FONT}
    _rewrite(root, tooltips or {}, {value: f"var(--{name})" for name, value in colours().items()})
    if alone:
        style = ElementTree.Element(f"{{{SVG}}}style")
        style.text = palette_css()
        root.insert(0, style)
    ElementTree.register_namespace("", SVG)
    return ElementTree.tostring(root, encoding="unicode")


def _rewrite(
    root: ElementTree.Element, tooltips: Mapping[str, str], variables: Mapping[str, str]
) -> None:
    """Set classes, tooltips and colour variables; shorten numbers; drop ids nothing refers to."""
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        identifier = element.get("id", "")
        if name == "g":
            element.attrib.pop("id", None)
            kind, colon, _ = identifier.partition(":")
            if colon:
                element.set("class", kind)
            if identifier in tooltips:
                note = ElementTree.Element(f"{{{SVG}}}title")
                note.text = CONTROL.sub("\ufffd", tooltips[identifier])
                element.insert(0, note)
        if name != "text":
            element.text = element.text and element.text.strip()
        element.tail = None
        if element.get("transform", "").startswith("rotate(-0 "):
            del element.attrib["transform"]
        if HREF in element.attrib:
            element.set("href", element.attrib.pop(HREF))
        for key, value in element.attrib.items():
            if key in ("d", "x", "y", "width", "height", "transform"):
                short = NUMBER.sub(lambda m: f"{float(m[0]):.1f}", value)
                element.set(key, " ".join(short.split()))
            elif key in ("style", "fill", "stroke"):
                value = HEX.sub(lambda m: variables.get(m[0], m[0]), value)
                value = NUMBER.sub(lambda m: f"{float(m[0]):.2f}", value)
                element.set(key, value.replace("font-family: 'DejaVu Sans'; ", ""))
