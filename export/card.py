"""The model card of a bundle: what it is, what was measured, what it must not be used for."""

from __future__ import annotations

from typing import Any

from .parity import REFERENCES

Json = dict[str, Any]

NOTICE = "Research software, not a medical device: no diagnosis may rest on it."

LIMITS = (
    "The accuracy above is of one data set, by cross-validation. It says nothing of another "
    "microscope, stain or laboratory. Images inside the indeterminate band are for a person "
    "to look at."
)
NOT_MEASURED = "No accuracy was ever measured of this model."


def model_card(record: Json, parity: Json) -> str:
    """Return ``MODEL_CARD.md``.

    Parameters
    ----------
    record : dict
        The bundle's record.
    parity : dict
        Its ``parity.json``.
    """
    training = record["training"]
    parts = [
        f"# {record['name']}",
        NOTICE,
        _facts(record),
        "## Training",
        _training(training, record["metrics"]),
        "## Artifacts",
        _artifacts(record["formats"]),
        "## The same model?",
        _parity(parity),
    ]
    for name, row in record["formats"].items():
        if row["gate"] is not None:
            parts += [f"### What {record['precision']} costs in {name}", _gate(row["gate"])]
    parts += ["## Limits", LIMITS if record["metrics"] else NOT_MEASURED]
    return "\n\n".join(parts) + "\n"


def _facts(record: Json) -> str:
    path = record["image_path"]
    return (
        f"{record['model']} with the head `{record['head']}`, {record['precision']}, for whole "
        f"microscope fields. Labels in the order of the outputs: {', '.join(record['labels'])}; "
        f"{', '.join(record['positive'])} mean{'s' if len(record['positive']) == 1 else ''} "
        f"leukaemia. In: uint8 RGB `[1, {path['size']}, {path['size']}, 3]` ({path['geometry']}), "
        "scaling is in the graph. Out: float32 probabilities, to be softened by the temperature."
    )


def _training(training: Json, metrics: Json | None) -> str:
    data = training["data"]
    if training["split"].get("kind") == "none":
        return (
            f"Not trained: only the last layer was fitted, on {data['images']} generated smears; "
            f"base weights: {training['weights']}; seed {training['seed']}. It is for measuring "
            "conversions, engines and machines, and knows nothing of blood."
        )
    text = (
        f"{data.get('images', '?')} images of {data.get('name', 'an unnamed set')}"
        f"{' (generated, not photographed)' if data.get('generated') else ''}; split "
        f"{training['split'].get('kind')}, {training['split'].get('folds')} folds; base weights: "
        f"{training['weights']}; seed {training['seed']}. The network was refitted on all images."
    )
    if not metrics:
        return text
    rows = [["out of fold, float", "value", "95 % interval"]]
    for name in ("accuracy", "sensitivity", "specificity", "auc"):
        if row := metrics.get(name):
            rows.append([name, f"{row['value']:.3f}", f"{row['low']:.3f} to {row['high']:.3f}"])
    return f"{text}\n\n{table(rows)}"


def _artifacts(formats: Json) -> str:
    rows = [["format", "how", "temperature", "threshold", "band", "fitted on"]]
    for name, row in formats.items():
        low, high = row["band"]
        rows.append(
            [
                name,
                row["recipe"],
                f"{row['temperature']:.3f}",
                f"{row['threshold']:.3f}",
                f"{low:.3f} to {high:.3f}",
                row["decision"],
            ]
        )
    return table(rows)


def _parity(parity: Json) -> str:
    source = parity["reference"]["source"]
    columns = ("max Δp", "mean Δp", "agreement", "lost positives", "to review")
    rows = [["format", "on", *columns, "verdict"]]
    for name, row in parity["formats"].items():
        rows.append([name, f"{row['images']} {row['measured_on']}", *_said(row), row["verdict"]])
        if row["measured_on"] != REFERENCES:
            many = f"{parity['reference']['images']} {REFERENCES}"
            rows.append([name, many, *_said(row["references"]), "-"])
    return (
        f"The references are {source} and chosen about the threshold, where a difference shows "
        f"most; they are what `alledge verify` replays.\n\n{table(rows)}"
    )


def _said(row: Json) -> list[str]:
    return [
        f"{row['max_dp']:.4f}",
        f"{row['mean_dp']:.4f}",
        f"{row['agreement']:.3f}",
        str(row["lost_positives"]),
        str(row["to_review"]),
    ]


def _gate(gate: Json) -> str:
    if not gate["evaluated"]:
        return f"Gate not evaluated: {gate['why']}."
    lines = []
    for row in gate["tried"]:
        said = row.get("error") or (
            f"AUC drop {row['auc_drop']:.4f}, lost positives {row['lost_positives']}"
        )
        lines.append(f"- {row['recipe']}: {said}: {'passed' if row['passed'] else 'failed'}")
    budget = gate["budget"]
    text = (
        f"Out of fold, pooled ({gate['images']} images; budget: AUC drop "
        f"{budget['auc_drop']}, lost positives {budget['lost_positives']}):\n\n" + "\n".join(lines)
    )
    if price := gate.get("price"):
        span = price["auc_difference"]
        text += (
            f"\n\nPrice on images that took no part in calibration, training or the choice of the "
            f"recipe: AUC {price['auc_float']:.4f} to {price['auc']:.4f} (difference "
            f"{span['value']:+.4f}, 95 % interval {span['low']:+.4f} to {span['high']:+.4f}), "
            f"{price['lost_positives']} lost positives, {price['to_review']} to review, McNemar "
            f"p = {price['mcnemar_p']:.3f}."
        )
    else:
        text += (
            "\n\nThese images chose the recipe too: a holdout leaves none to price it on. Train "
            "with --folds 5 for that."
        )
    return text


def table(rows: list[list[str]]) -> str:
    """Return rows as a Markdown table; the first is the heading."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
