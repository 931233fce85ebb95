// The picture with its cells, and the gallery of the cells, sorted by probability.

import { element, shape, byId } from "./elements.js";
import { labelText, share, text } from "./messages.js";
import { kindOf, personOf } from "./verdict.js";

const MARGIN = 1.4; // radius of an outline, in radii of the nucleus
const CROP = 2.4; // half side of a picture of a cell, in radii of the nucleus

// Shows an entry. `choose` is called with the index of the cell that was clicked.
export function showPicture(entry, selected, choose) {
  const frame = byId("frame");
  const cells = entry?.record?.cells ?? [];
  if (!entry || !entry.pictures.preview || entry.removed) {
    frame.replaceChildren(element("p", { class: "hint" }, entry ? text("no_picture") : ""));
  } else {
    const image = element("img", {
      src: `/v1/history/${entry.number}/preview`, alt: text("picture_alt", { count: cells.length }),
      width: entry.pictures.preview.width, height: entry.pictures.preview.height,
    });
    const parts = [image];
    if (cells.length && entry.width) parts.push(outlines(entry, cells, selected, choose));
    frame.replaceChildren(element("div", {}, ...parts));
  }
  showLegend(entry, cells);
  showGallery(entry, cells, selected, choose);
}

// The label that counts: the person's, else the machine's.
function labelOf(entry, index) {
  return personOf(entry, index) ?? entry.record.cells[index].label;
}

function outlines(entry, cells, selected, choose) {
  const svg = shape("svg", { viewBox: `0 0 ${entry.width} ${entry.height}`, "aria-hidden": "true" });
  cells.forEach((cell, index) => {
    const place = { cx: cell.x, cy: cell.y, r: cell.radius * MARGIN };
    const kind = kindOf(labelOf(entry, index), entry);
    const isSelected = index === selected ? " selected" : "";
    const mark = shape("circle", { ...place, class: `mark ${kind}${isSelected}` });
    mark.addEventListener("click", () => choose(index));
    svg.append(shape("circle", { ...place, class: `halo${isSelected}` }), mark);
    if (personOf(entry, index) !== null) {
      const size = Math.max(entry.width / 40, cell.radius * 0.9);
      const at = { x: cell.x, y: cell.y - cell.radius * MARGIN - size / 4 };
      const sign = shape("text", { ...at, class: "mark-text", "font-size": size, "stroke-width": size / 6 });
      sign.append("✓");
      svg.append(sign);
    }
  });
  return svg;
}

function showLegend(entry, cells) {
  const rows = [];
  if (entry && cells.length) {
    for (const label of entry.labels) {
      const line = shape("svg", { viewBox: "0 0 30 16", "aria-hidden": "true" },
        shape("line", { x1: 1, y1: 8, x2: 29, y2: 8, class: `mark ${kindOf(label, entry)}` }));
      rows.push(element("span", {}, line, labelText(label)));
    }
    rows.push(element("span", {}, `✓ ${text("judged")}`));
  }
  byId("legend").replaceChildren(...rows);
}

export function galleryOrder(entry) {
  const cells = entry?.record?.cells ?? [];
  return cells.map((_, index) => index).sort((a, b) => cells[b].probability - cells[a].probability);
}

function showGallery(entry, cells, selected, choose) {
  byId("cells-title").hidden = !cells.length;
  byId("cells-hint").textContent = cells.length ? text("cells_hint") : "";
  const order = galleryOrder(entry);
  const scrolled = byId("gallery").scrollTop;
  byId("gallery").replaceChildren(...order.map((index) => cellButton(entry, index, selected, choose)));
  byId("gallery").hidden = !cells.length;
  byId("gallery").scrollTop = scrolled;
  if (selected !== null) {
    const button = byId("gallery").querySelector('[aria-pressed="true"]');
    button?.scrollIntoView({ block: "nearest" });
    if (document.activeElement === document.body) button?.focus();
  }
}

function cellButton(entry, index, selected, choose) {
  const cell = entry.record.cells[index];
  const person = personOf(entry, index);
  const label = person ?? cell.label;
  const side = 2 * CROP * cell.radius;
  const crop = shape("svg", {
    viewBox: `${cell.x - side / 2} ${cell.y - side / 2} ${side} ${side}`, "aria-hidden": "true",
  }, shape("image", {
    href: `/v1/history/${entry.number}/preview`, width: entry.width, height: entry.height,
    preserveAspectRatio: "none",
  }));
  const button = element("button", {
    type: "button", class: `${kindOf(label, entry)}${person === null ? "" : " person"}`,
    "aria-pressed": String(index === selected), "data-cell": index, onclick: () => choose(index),
  }, crop, element("b", {}, labelText(label)), element("small", {}, share(cell.probability)));
  if (person !== null) {
    const said = person === cell.label ? text("confirmed") : text("instead_of", { label: labelText(cell.label) });
    button.append(element("em", {}, `✓ ${said}`));
  }
  return button;
}
