"""The page of an audit: verdict, tables, pictures of what overlaps and of what was masked.

One file, no network. It holds small images of the data sets, and says so.
"""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment
from PIL import Image, ImageDraw

from ...runtime.data.datasets import Dataset, read_dataset
from ...runtime.imaging import load_picture, read_header
from ...runtime.metrics.metrics import Json
from ..provenance import provenance_line
from .shortcuts import PICTURE_SIZE, masks

THUMBNAIL = 300  # pixels
PAIRS_SHOWN = 24  # within the sets, and as many between them
MASKS_SHOWN = 2  # a label
FRAME, VEIL = (34, 197, 94), (236, 72, 153)


def write_page(path: Path, document: Json) -> Path:
    """Write the page of an audit.

    Parameters
    ----------
    path : Path
    document : dict
        What `alledge.train.audit.audit.audit` returned.

    Returns
    -------
    Path
    """
    sets = document["datasets"]
    inside = [p for p in document["pairs"] if p["a"]["dataset"] == p["b"]["dataset"]]
    across = [p for p in document["pairs"] if p["a"]["dataset"] != p["b"]["dataset"]]
    html = Environment(autoescape=True).from_string(TEMPLATE)
    text = html.render(
        document=document,
        inside=[_pair(sets, pair) for pair in inside[:PAIRS_SHOWN]],
        across=[_pair(sets, pair) for pair in across[:PAIRS_SHOWN]],
        counts=(len(inside), len(across)),
        masks=[_masks(dataset) for dataset in sets],
        several=len(sets) > 1,
        made_by=provenance_line(document),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _pair(sets: list[Json], pair: Json) -> Json:
    """Return two images side by side, the common part framed in each."""
    files = [Path(sets[s["dataset"]]["root"]) / s["image"] for s in (pair["a"], pair["b"])]
    sizes = [(header.width, header.height) for header in map(read_header, files)]
    (w, h), (v, g), dx, dy = sizes[0], sizes[1], pair["dx"], pair["dy"]
    box = (max(0, dx), max(0, dy), min(w, v + dx), min(h, g + dy))
    boxes = [box, (box[0] - dx, box[1] - dy, box[2] - dx, box[3] - dy)]
    return {
        **pair,
        "pictures": [_framed(*row) for row in zip(files, sizes, boxes, strict=True)],
        "names": [sets[s["dataset"]]["name"] + "/" + s["image"] for s in (pair["a"], pair["b"])],
    }


def _framed(path: Path, size: tuple[int, int], box: tuple[int, int, int, int]) -> str:
    picture = load_picture(path, THUMBNAIL).copy()
    x, y = picture.width / size[0], picture.height / size[1]
    corners = (box[0] * x, box[1] * y, box[2] * x - 1, box[3] * y - 1)
    ImageDraw.Draw(picture).rectangle(corners, outline=FRAME, width=3)
    return _data_uri(picture)


def _masks(dataset: Json) -> list[Json]:
    """Return images of each label beside what is left of them when cells are masked out."""
    read: Dataset = read_dataset(dataset["root"], dataset["layout"], skip_unreadable=True)
    broken = {row["image"] for row in dataset["unreadable"]}
    rows = []
    for label in read.labels:
        samples = [s for s in read.samples if s.label == label and read.relative(s) not in broken]
        for sample in samples[:: max(1, len(samples) // MASKS_SHOWN)][:MASKS_SHOWN]:
            picture = load_picture(sample.path, PICTURE_SIZE)
            pixels = np.array(picture)
            pixels[~masks(picture)[1]] = VEIL
            shown = [_data_uri(picture), _data_uri(Image.fromarray(pixels))]
            rows.append({"label": label, "image": read.relative(sample), "pictures": shown})
    return rows


def _data_uri(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=82)
    content: Any = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/jpeg;base64,{content}"


TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>alledge audit</title>
<style>
:root { color-scheme: light dark; --ink: #1d2330; --paper: #fbfaf8; --quiet: #6b7280;
  --line: #dcd8d2; --card: #ffffff; --bar: #2a6f6b; --warn: #a3265c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e6e3; --paper: #16181d; --quiet: #9aa1ad;
  --line: #343943; --card: #1e2128; --bar: #72c7bf; --warn: #f08ab4; } }
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 64rem; margin: 0 auto; padding: 2rem 1.2rem 4rem; overflow-wrap: anywhere; }
h1 { font-size: 1.9rem; margin: 0; } h2 { font-size: 1.3rem; margin: 2.4rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; } p.lead, small, footer { color: var(--quiet); }
ul.verdict { background: var(--card); border: 1px solid var(--line);
  border-left: .3rem solid var(--warn); border-radius: .5rem; padding: .8rem 1rem .8rem 2rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: normal; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.track { position: relative; display: block; min-width: 6rem; height: .6rem; margin-top: .5rem;
  background: var(--line); border-radius: .3rem; overflow: hidden; }
.track i { position: absolute; inset: 0 auto 0 0; background: var(--bar); }
@media (max-width: 40rem) { .track { display: none; } }
.grid { display: grid; gap: .8rem; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  overflow: hidden; } figure div { display: flex; gap: 2px; align-items: flex-start; }
figure img { width: calc(50% - 1px); display: block; }
figcaption { padding: .5rem .8rem; font-size: .85rem; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .8rem; }
</style></head><body>
<h1>What this data would let a model cheat with</h1>
<p class="lead">{% for d in document.datasets %}{{ d.name }} ({{ d.images }} images)
{{- ", " if not loop.last else "." }} {% endfor %}
<b>This page holds images of the data set: it may go only where they may.</b></p>
<ul class="verdict">{% for line in document.verdict %}<li>{{ line }}</li>{% endfor %}</ul>

{% macro pictures(pairs) %}<div class="grid">{% for pair in pairs %}<figure><div>
<img alt="{{ pair.names[0] }}" src="{{ pair.pictures[0] }}">
<img alt="{{ pair.names[1] }}" src="{{ pair.pictures[1] }}"></div>
<figcaption><b>{{ pair.kind }}</b>: {{ pair.names[0] }}, {{ pair.names[1] }}<br>
<small>shift {{ pair.dx }}, {{ pair.dy }} px; common
{{ "%.0f" | format(100 * pair.shares[0]) }} % and
{{ "%.0f" | format(100 * pair.shares[1]) }} %; correlation
{{ "%.2f" | format(pair.score) }}</small></figcaption></figure>{% endfor %}</div>{% endmacro %}

{% for d in document.datasets %}
<h2>{{ d.name }}</h2>
<p>{{ d.images }} images, layout {{ d.layout }}{{ ", generated" if d.generated }}:
{% for label, count in d.labels.items() %}{{ count }} {{ label }}
{{- ", " if not loop.last else "." }} {% endfor %}
Sizes: {% for s in d.sizes[:8] %}{{ s.width }} × {{ s.height }} ({{ s.images }})
{{- ", " if not loop.last }}{% endfor %}
{{- ", and %d more" | format(d.sizes | length - 8) if d.sizes | length > 8 }}.</p>
<div class="wide"><table><tr><th>camera (EXIF)</th><th class="n">images</th>
{% for label in d.labels %}<th class="n">{{ label }}</th>{% endfor %}</tr>
{% for c in d.cameras %}<tr><td>{{ c.camera }}</td><td class="n">{{ c.images }}</td>
{% for count in c.labels.values() %}<td class="n">{{ count }}</td>{% endfor %}</tr>
{% endfor %}</table></div>
{% if d.unreadable %}<h3>Files that cannot be read</h3><ul>{% for row in d.unreadable %}
<li>{{ row.image }}: {{ row.error }}</li>{% endfor %}</ul>{% endif %}
<h3>The label from … alone</h3>
{% if d.shortcuts %}<div class="wide"><table><tr><th>what is looked at</th><th></th>
<th class="n">right</th><th class="n">accuracy</th><th class="n">95 % interval</th></tr>
{% for row in d.shortcuts %}<tr><td><b>{{ row.name }}</b><br><small>{{ row.what }}</small></td>
<td><span class="track"><i style="width: {{ 100 * row.accuracy.value }}%"></i></span></td>
<td class="n">{{ row.right }}/{{ row.accuracy.n }}</td>
<td class="n">{{ "%.1f" | format(100 * row.accuracy.value) }} %</td>
<td class="n">{{ "%.1f" | format(100 * row.accuracy.low) }}–{{
 "%.1f" | format(100 * row.accuracy.high) }}</td></tr>{% endfor %}</table></div>
<p><small>Cross-validated on {{ d.folds }} folds that part none of the {{ d.groups }} groups (images
that show the same, or one subject); intervals by Wilson.</small></p>
{% else %}<p>A class has but one group of images: nothing can be cross-validated.</p>{% endif %}
<h3>What is left when cells are masked out</h3>
<div class="grid">{% for m in masks[loop.index0] %}<figure><div>
<img alt="{{ m.image }}" src="{{ m.pictures[0] }}">
<img alt="{{ m.image }}, cells masked" src="{{ m.pictures[1] }}"></div>
<figcaption>{{ m.label }}: {{ m.image }}</figcaption></figure>{% endfor %}</div>
{% endfor %}

<h2>Images that show the same</h2>
{% if inside %}<p>{{ counts[0] }} pairs{{ " within the sets" if several }}; the common part is
framed.
{% if counts[0] > inside | length %}The first {{ inside | length }} are shown.{% endif %}</p>
{{ pictures(inside) }}{% else %}<p>No two images of a set were found to.</p>{% endif %}
{% if several %}<h2>Between the sets</h2>
{% for row in document.between %}<p>{{ row.a }} and {{ row.b }}: {{ row.pairs }} pairs, of
{{ row.images_of_a }} of {{ row.of_a }} and {{ row.images_of_b }} of {{ row.of_b }} images.</p>
{% endfor %}{% if counts[1] > across | length %}<p>The first {{ across | length }} are shown.</p>
{% endif %}{{ pictures(across) }}{% endif %}
<footer>Fingerprints: {% for d in document.datasets %}{{ d.name }} {{ d.fingerprint }}
{{- ", " if not loop.last else "." }} {% endfor %}Seed {{ document.seed }}. {{ made_by }}
Research software, not a medical device.</footer>
</body></html>
"""
