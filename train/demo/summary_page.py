"""The page that ends a demo: what was done, what came out, pictures; one file, no network."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment
from PIL import Image

from ..provenance import provenance_line

THUMBNAIL = (300, 225)  # pixels
PICTURES = {
    "curves.png": "Learning curves",
    "confusion.png": "Held-out fifth: confusion matrix",
    "augmented.png": "What augmentation makes of the training images",
}


def write_page(out: Path, answers: dict[str, str], commands: list[str]) -> Path:
    """Write ``summary.html`` into the folder of a demo.

    Parameters
    ----------
    out : Path
        Holds ``run/``.
    answers : dict of str to str
        What ``verify``, ``evaluate`` and ``classify`` printed, as JSON.
    commands : list of str
        What was run, as a user would type it.

    Returns
    -------
    Path
    """
    records = [json.loads(line) for line in answers["classify"].splitlines() if line.strip()]
    page = out / "summary.html"
    run = json.loads((out / "run" / "run.json").read_text(encoding="utf-8"))
    html = Environment(autoescape=True).from_string(TEMPLATE)
    html.globals.update(percent=_percent)
    text = html.render(
        run=run,
        weights=run["weights"],
        measured=json.loads(answers["evaluate"]),
        verified=json.loads(answers["verify"]),
        smears=[{**record, "picture": _thumbnail(Path(record["image"]))} for record in records],
        pictures=[
            (title, _data_uri((out / "run" / name).read_bytes(), "png"))
            for name, title in PICTURES.items()
            if (out / "run" / name).is_file()
        ],
        commands=commands,
        made_by=provenance_line(run),
    )
    page.write_text(text, encoding="utf-8")
    return page


def _percent(figure: dict[str, Any]) -> str:
    low, high = 100 * figure["low"], 100 * figure["high"]
    return f"{100 * figure['value']:.1f} % ({low:.0f}–{high:.0f})"


def _thumbnail(path: Path) -> str:
    with Image.open(path) as image:
        image.thumbnail(THUMBNAIL)
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=85)
    return _data_uri(buffer.getvalue(), "jpeg")


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>alledge demo</title>
<style>
:root { color-scheme: light dark; --ink: #1d2330; --paper: #fbfaf8; --quiet: #6b7280;
  --line: #dcd8d2; --card: #ffffff; --blast: #a3265c; --healthy: #2a6f6b; --review: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e6e3; --paper: #16181d; --quiet: #9aa1ad;
  --line: #343943; --card: #1e2128; --blast: #f08ab4; --healthy: #72c7bf; --review: #e3b341; } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 0 auto; padding: 2rem 1.2rem 4rem; }
h1 { font-size: 1.9rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.4rem 0 .7rem; }
p.lead { color: var(--quiet); margin: .3rem 0 1.5rem; }
.cards { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: .8rem 1rem; }
.card b { display: block; font-size: 1.25rem; } .card span { color: var(--quiet); }
table { border-collapse: collapse; width: 100%; } .wide { overflow-x: auto; }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.smears { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; overflow: hidden; }
figure img { width: 100%; display: block; } figcaption { padding: .5rem .8rem; }
.blast { color: var(--blast); } .healthy { color: var(--healthy); }
.review { color: var(--review); }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: .8rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; }
small, footer { color: var(--quiet); } .plot { margin-bottom: .8rem; background: #fff; }
</style></head><body>
<h1>The way through</h1>
<p class="lead">Generated blood smears → MobileNetV2 → int8 → TFLite, ONNX, OpenVINO → classified
without tensorflow. The base began with the weights: {{ weights }}.</p>
{% set even = measured.operating %}
<div class="cards">
<div class="card"><b>{{ percent(even.accuracy) }}</b>
 <span>accuracy of the int8 model on {{ even.images }} new generated smears</span></div>
<div class="card"><b>{{ percent(even.sensitivity) }}</b>
 <span>of the blast fields found (sensitivity)</span></div>
<div class="card"><b>{{ percent(even.specificity) }}</b>
 <span>of the healthy fields cleared (specificity)</span></div>
<div class="card"><b>{{ verified.verdict }}</b>
 <span>is this bundle still the same model here?</span></div>
</div>
<p><small>In brackets the 95 % interval (Wilson). The smears were drawn by a program: these figures
say that the way works, and nothing about leukaemia.</small></p>

<h2>Still the same model?</h2>
<div class="wide"><table><tr><th>format</th><th>engine</th>
<th class="n">max |Δp| to the desk</th><th class="n">max |Δp| to the float model</th>
<th class="n">lost blasts</th><th>verdict</th></tr>
{% for name, row in verified.backends.items() %}<tr><td>{{ name }}</td><td>{{ row.engine }}</td>
<td class="n">{{ "%.6f" | format(row.here.max_dp) if row.here else "–" }}</td>
<td class="n">{{ "%.4f" | format(row.float.max_dp) if row.float.max_dp is not none else "–" }}</td>
<td class="n">{{ row.float.lost_positives }}</td>
<td>{{ row.status }}</td></tr>{% endfor %}</table></div>

<h2>Smears it had never seen</h2>
<div class="smears">{% for smear in smears %}<figure><img alt="" src="{{ smear.picture }}">
<figcaption><b class="{{ smear.label }}">{{ smear.label }}</b>
 {{ "%.1f" | format(100 * smear.probability) }} %
 {% if smear.flags %}<br>
 <span class="review">review: {{ smear.flags | join(", ") }}</span>{% endif %}
</figcaption></figure>{% endfor %}</div>
<p><small>The percentage is the calibrated probability of blasts.</small></p>

<h2>How it was trained</h2>
{% for title, picture in pictures %}<figure class="plot"><img alt="{{ title }}"
 src="{{ picture }}"></figure>{% endfor %}

<h2>The commands</h2>
<pre>{% for command in commands %}{{ command }}
{% endfor %}</pre>
<footer>Fingerprints: trained on {{ run.data.fingerprint }}, measured on
{{ measured.data.fingerprint }}. Seed {{ run.seed }}. {{ made_by }}
Research software, not a medical device. Images generated by alledge.train.phantom.</footer>
</body></html>
"""
