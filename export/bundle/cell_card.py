"""The parts of a model card that only models of cells have."""

from __future__ import annotations

from ..types import Json
from .markdown_table import table

CELL_LIMITS = (
    "The figures above were measured on one collection of data, by cross-validation. They do not "
    "hold for another microscope, stain or laboratory. The detector misses cells and takes other "
    "things for cells; a count is never complete. The blast percentage of one field rests on few "
    "cells: look at its interval, and pool fields with `--smear`. A person has to look at cells "
    "and fields inside the indeterminate band, and at smears with few cells.\n\n"
    "Do not use it: for a diagnosis or a decision on a treatment; to tell kinds of leukaemia or "
    "of leucocytes apart; for bone marrow or other tissue; for remission, where blasts are rare; "
    "to replace a count by a person."
)


def is_cell(record: Json) -> bool:
    """Return whether a bundle judges cells."""
    return "cells" in record


def judging(record: Json) -> str:
    """Return how a field is judged, and the field rule of each format."""
    crop = record["cells"]["crop"]
    unit = "erythrocyte diameters" if crop["unit"] == "erythrocyte" else "nucleus diameters"
    balance = ", white-balanced on the empty background" if crop["white_balance"] else ""
    rows = [["format", "bias", "largest", "total", "threshold", "band"]]
    for name, row in record["formats"].items():
        rule, (low, high) = row["field"], row["field"]["band"]
        numbers = [f"{rule[key]:.3f}" for key in ("bias", "largest", "total", "threshold")]
        rows.append([name, *numbers, f"{low:.3f} to {high:.3f}"])
    return (
        "A field is reduced, its nucleated cells are found, and each is cut out as a square of "
        f"{crop['width']:g} {unit} ({crop['size']} pixels{balance}). The log-odds of the field "
        "are bias + largest x log-odds of the largest blast probability + total x "
        f"log(1 + sum of the probabilities):\n\n{table(rows)}\n\n"
        "In the figures of the artifacts below, an image is the square of one cell."
    )


def lost_fields_text(gate: Json) -> str:
    """Return how many blast fields a conversion loses; empty for a model of whole fields.

    Parameters
    ----------
    gate : dict
        The gate record of a format.
    """
    fields = gate.get("fields")
    if not fields:
        return ""
    rate, positives = fields["lost_rate"], fields["float_positives"]
    if rate["value"] is None:
        return "\n\nThe float model finds no blast field: the loss of one cannot be seen."
    return (
        f"\n\nLost fields: {fields['lost_positives']} of {positives} blast fields that the float "
        f"model finds, {rate['value']:.1%} (95 % interval {rate['low']:.1%} to "
        f"{rate['high']:.1%}), by the field rule of the artifact on "
        f"{fields['field_count']} fields with a detected cell; probabilities of fields "
        f"move by at most {fields['max_dp']:.4f} and by "
        f"{fields['mean_dp']:.4f} on average."
    )
