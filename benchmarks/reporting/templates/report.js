// Sorts and filters the table of all configurations. The page is complete without it.
(() => {
  const table = document.querySelector("#rows");
  if (!table) return;
  const body = table.tBodies[0], rows = [...body.rows];
  const filters = document.querySelector(".filters"), count = document.querySelector("#count");
  filters.hidden = false;
  const number = (text) => (text === "" ? NaN : Number(text));
  const show = () => {
    const words = filters.querySelector("#words").value.toLowerCase().split(/\s+/).filter(Boolean);
    const latency = number(filters.querySelector("#max-latency").value);
    const memory = number(filters.querySelector("#max-memory").value);
    const sensitivity = number(filters.querySelector("#min-sensitivity").value);
    const kind = filters.querySelector("#kind").value;
    let shown = 0;
    for (const row of rows) {
      const d = row.dataset;
      const fits = words.every((word) => d.text.includes(word))
        && !(Number(d.wait || Infinity) > latency)
        && !(Number(d.memory || Infinity) > memory)
        && !(sensitivity > 0 && !(Number(d.sensitivity || -1) >= sensitivity))
        && (!kind || d.kind === kind);
      row.hidden = !fits;
      shown += fits;
    }
    count.textContent = `${shown} of ${rows.length} rows`;
  };
  filters.addEventListener("input", show);
  show();
  const more = filters.querySelector("#more");
  more.addEventListener("change", () => table.classList.toggle("all", more.checked));
  table.classList.remove("all");  // all columns where no script runs
  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const head = button.closest("th"), at = head.cellIndex;
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => row.cells[at].dataset.v ?? row.cells[at].textContent.trim();
    rows.sort((a, b) => {
      const x = value(a), y = value(b);
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = isNaN(x) || isNaN(y) ? String(x).localeCompare(String(y)) : x - y;
      return down ? -order : order;
    });
    body.append(...rows);
  });
})();
