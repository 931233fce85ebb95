"""Writes the model card of a bundle: facts, measurements and limits."""

from __future__ import annotations

from ..gate.figures import lost_text
from ..gate.parity import CROSS_FITTED, GATE, NOT_EVALUATED, REFERENCES
from ..types import Json
from .camera_table import camera_table
from .cell_card import CELL_LIMITS, is_cell, judging, lost_fields_text
from .markdown_table import table

NOTICE = "Research software, not a medical device. Do not use it for a diagnosis."

LIMITS = (
    "The accuracy above was measured on one data set, by cross-validation. It does not hold for "
    "another microscope, stain or laboratory. A person has to look at images inside the "
    "indeterminate band."
)
FIGURES = {CROSS_FITTED: "cross-fitted cost", GATE: "the gate's own figures"}
NOT_MEASURED = "The accuracy of this model was never measured."


def model_card(record: Json, parity: Json) -> str:
    """Return the text of ``MODEL_CARD.md`` from a bundle's record and its ``parity.json``."""
    training = record["training"]
    parts = [
        f"# {record['name']}",
        NOTICE,
        _facts(record),
        "## Training",
        _training(training, record["metrics"]),
        "## Artifacts",
        _artifacts(record["formats"]),
        "## Difference from the float model",
        _parity(parity),
    ]
    for name, row in record["formats"].items():
        if row["gate"] is not None:
            parts += [f"### What {record['precision']} costs in {name}", _gate(row["gate"])]
        if row["left_in_float"]:
            parts.append(_in_float(row))
    limits = CELL_LIMITS if is_cell(record) else LIMITS
    parts += ["## Limits", limits if record["metrics"] else NOT_MEASURED]
    return "\n\n".join(parts) + "\n"


def _facts(record: Json) -> str:
    path = record["image_path"]
    images = "the cells of microscope fields" if is_cell(record) else "whole microscope fields"
    text = (
        f"{record['model']} with the head `{record['head']}`, {record['precision']}, for "
        f"{images}. Labels in the order of the outputs: {', '.join(record['labels'])}; "
        f"{', '.join(record['positive'])} mean{'s' if len(record['positive']) == 1 else ''} "
        f"leukaemia. Input: uint8 RGB `[1, {path['size']}, {path['size']}, 3]` "
        f"({path['geometry']}); the graph scales it. Output: float32 probabilities, to be "
        "calibrated with the temperature."
    )
    return f"{text}\n\n{judging(record)}" if is_cell(record) else text


def _training(training: Json, metrics: Json | None) -> str:
    data = training["data"]
    if training["split"].get("kind") == "none":
        return (
            f"Not trained: only the last layer was fitted, on {data['images']} generated smears; "
            f"base weights: {training['weights']}; seed {training['seed']}. Use it to measure "
            "conversions, engines and machines only."
        )
    text = (
        f"{'; '.join(map(_data, training.get('sources', [data])))}; split "
        f"{training['split'].get('kind')}, {training['split'].get('folds')} folds; base weights: "
        f"{training['weights']}; seed {training['seed']}. The network was refitted on all images."
    )
    if not metrics:
        return text
    if "fields" in metrics:
        text += f" Out of fold, {metrics['images']} cells were judged."
    calibration = f", {metrics['calibration']}" if "calibration" in metrics else ""
    fields = metrics.get("fields")
    kinds = {"": metrics} if fields is None else {"cells: ": metrics, "fields: ": fields}
    rows = [[f"out of fold, float{calibration}", "value", "95 % interval"]]
    for kind, figures in kinds.items():
        for name in ("accuracy", "sensitivity", "specificity", "auc"):
            if row := figures.get(name):
                interval = f"{row['low']:.3f} to {row['high']:.3f}"
                rows.append([f"{kind}{name}", f"{row['value']:.3f}", interval])
        if (error := figures.get("ece")) is not None:
            rows.append([f"{kind}expected calibration error", f"{error:.3f}", "–"])
    return "\n\n".join(filter(None, [text, table(rows), camera_table(metrics)]))


def _data(data: Json) -> str:
    """Return one data set in words."""
    generated = " (generated, not photographed)" if data.get("generated") else ""
    return f"{data.get('images', '?')} images of {data.get('name', 'an unnamed set')}{generated}"


def _artifacts(formats: Json) -> str:
    rows = [["format", "conversion", "temperature", "threshold", "band", "fitted on"]]
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
    return "\n\n".join([table(rows), *_calibration(formats)])


def _calibration(formats: Json) -> list[str]:
    """Return where the ranges of int8 come from; it is the same for all formats."""
    calibration = next(iter(formats.values()))["calibration"]
    if calibration is None:
        return []
    source = calibration["source"]
    source = "images that the user named" if source == "given" else source
    text = f"Ranges of int8 were measured on {calibration['images']} images: {source}."
    return [" ".join([text, *(f"Warning: {row}." for row in calibration["warnings"])])]


def _parity(parity: Json) -> str:
    source = parity["reference"]["source"]
    columns = ("max Δp", "mean Δp", "agreement", "lost positives", "to review")
    rows = [["format", "measured on", *columns, "verdict"]]
    for name, row in parity["formats"].items():
        verdict = row["verdict"]
        if row["gate"] == NOT_EVALUATED:
            verdict += ", gate not evaluated"
        measured_on = f"{row['images']} {row['measured_on']}"
        if row["measured_on"] == REFERENCES:
            rows.append([name, measured_on, *_comparison(row), verdict])
            continue
        if row["figures"] in FIGURES:
            measured_on += f" ({FIGURES[row['figures']]})"
        rows.append([name, measured_on, *_comparison(row), verdict])
        if (shipped := row["shipped"]) is not None:
            images = f"{shipped['images']} images it was trained on"
            rows.append([name, images, *_comparison(shipped), "-"])
        images = f"{parity['reference']['images']} {REFERENCES}"
        rows.append([name, images, *_comparison(row["references"]), "-"])
    return (
        f"The references are {source}. They were chosen near the threshold, where differences are "
        f"largest; `alledge verify` replays them.\n\n{table(rows)}"
        + "".join(_variants(name, row) for name, row in parity["formats"].items())
    )


def _variants(format_name: str, row: Json) -> str:
    """Return how the artifact differs on engines with other kernels than this machine's."""
    return "".join(
        f"\n\n{format_name} {name}, compared with the same artifact on the desk, on the "
        f"references: max Δp {other['max_dp']:.4f}, mean {other['mean_dp']:.4f}, "
        f"{other['agreement']:.1%} of the labels agree."
        for name, other in row["variants"].items()
    )


def _in_float(row: Json) -> str:
    """Return which layers stay in float beside the last, and why the recipe before it failed."""
    names = row["left_in_float"]
    text = (
        f"Left in float beside the last layer, {len(names)}: {', '.join(f'`{n}`' for n in names)}."
    )
    tried = (row["gate"] or {}).get("tried", [])
    return f"{text} The recipe before it: {_tried(tried[-2])}." if len(tried) > 1 else text


def _tried(row: Json) -> str:
    figures = [row[key] for key in ("error", "why") if key in row]
    if "auc_drop" in row:
        figures.append(f"AUC drop {row['auc_drop']:.4f}")
    if "lost_positives" in row:
        figures.append(f"{_lost_in_recipe(row)}, mean Δp {row['mean_dp']:.4f}")
    return f"{row['recipe']}: {', '.join(figures)}"


def _lost_in_recipe(row: Json) -> str:
    lost = f"lost positives {row['lost_positives']}"
    return f"{lost}, lost fields {row['lost_fields']}" if "lost_fields" in row else lost


def _comparison(row: Json) -> list[str]:
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
    lines = [f"- {_tried(row)}: {'passed' if row['passed'] else 'failed'}" for row in gate["tried"]]
    budget = gate["budget"]
    text = (
        f"Out of fold, pooled ({gate['images']} images; budget: AUC drop "
        f"{budget['auc_drop']}, lost positives {budget['lost_rate']:.1%}):\n\n"
        + "\n".join(lines)
        + f"\n\n{_lost(gate)}{lost_fields_text(gate)}{_band(gate)}"
    )
    cost = gate["cross_fitted"]
    if cost is None:
        return (
            f"{text}\n\nNo cross-fitted cost ({gate['not_cross_fitted']}): the recipe was chosen "
            "on the same images. Train with --folds 5 to get the cost."
        )
    span = cost["auc_difference"]
    return (
        f"{text}\n\nCross-fitted cost (not nested): the recipe, temperature and threshold of a "
        "fold were chosen on the other folds alone, whose networks were trained and calibrated on "
        f"images of this fold. AUC {cost['auc_float']:.4f} to {cost['auc']:.4f} (difference "
        f"{span['value']:+.4f}, 95 % interval {span['low']:+.4f} to {span['high']:+.4f}), "
        f"{lost_text(cost)}, {cost['to_review']} to review, McNemar "
        f"p = {cost['mcnemar_p']:.3f}."
    )


def _lost(gate: Json) -> str:
    """Return the rate of lost positives, and what so few images can show at all."""
    rate, positives = gate["lost_rate"], gate["float_positives"]
    if rate["value"] is None:
        return "The float model finds no positive image: a loss cannot be seen."
    return (
        f"Lost: {gate['lost_positives']} of {positives} positive images that the float model "
        f"finds, {rate['value']:.1%} (95 % interval {rate['low']:.1%} to {rate['high']:.1%}). "
        f"Even none lost of {positives} would be compatible with a rate of up to "
        f"{rate['none_seen_up_to']:.1%}."
    )


def _band(gate: Json) -> str:
    """Return how far the indeterminate band reaches, and what that costs in reviews."""
    band = gate.get("band")
    if band is None:
        return ""
    return (
        f"\n\nThe conversion moves calibrated scores near the threshold by up to "
        f"{band['shift']:.3f} (0.95 quantile of the nearest images). The indeterminate band "
        f"reaches so far from the threshold: {band['to_review']} of {gate['images']} images go "
        f"to a person, {band['to_review_fitted']} with the fitted band alone, "
        f"{band['to_review_float']} with the float model."
    )
