"use strict";

const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "sendChartToCloud"] };
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const narrow = window.matchMedia("(max-width: 600px)");

/** The colours of the page, for one figure's layout. */
function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const [ink, soft, line, card] = ["--ink", "--soft", "--line", "--card"].map((n) => style.getPropertyValue(n).trim());
  const axis = { gridcolor: line, linecolor: line, tickcolor: line, color: soft };
  const changes = {
    "font.color": soft, "modebar.color": soft, "modebar.activecolor": ink, "hoverlabel.bgcolor": card, "hoverlabel.bordercolor": line, "hoverlabel.font.color": ink,
  };
  const places = layout.scene ? ["scene.xaxis", "scene.yaxis", "scene.zaxis"] : ["xaxis", "yaxis"];
  for (const place of places) {
    for (const [key, value] of Object.entries(axis)) changes[`${place}.${key}`] = value;
    if (layout.scene) changes[`${place}.backgroundcolor`] = card;
  }
  return changes;
}

/** Make room on a small screen. */
function fit(layout) {
  layout.font.size = 12;
  if (!layout.scene) {
    layout.margin = { ...layout.margin, t: 8, r: 4, l: 44 };
    if (layout.xaxis.type === "category") layout.xaxis.tickangle = -90;
    return;
  }
  const { eye } = layout.scene.camera;
  for (const axis of ["x", "y", "z"]) eye[axis] *= 1.35;
}

/** Draw a figure once, when it is first seen. */
function draw(div) {
  if (div.dataset.drawn) return;
  div.dataset.drawn = "true";
  const { data, layout } = JSON.parse(div.querySelector("script").textContent);
  if (narrow.matches) fit(layout);
  Plotly.newPlot(div, data, layout, { ...CONFIG, displayModeBar: narrow.matches ? false : "hover" })
    .then(() => Plotly.relayout(div, themed(layout)))
    .then(() => { div.dataset.ready = "true"; });
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) draw(entry.target);
}, { rootMargin: "300px" });
document.querySelectorAll(".figure").forEach((div) => seen.observe(div));
window.addEventListener("beforeprint", () => document.querySelectorAll(".figure:not([hidden])").forEach(draw));

dark.addEventListener("change", () => {
  for (const div of document.querySelectorAll(".figure[data-ready]")) Plotly.relayout(div, themed(div.layout));
});

function select(tab) {
  for (const other of tab.parentElement.children) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    const figure = document.getElementById(other.getAttribute("aria-controls"));
    figure.hidden = !chosen;
    if (figure.previousElementSibling?.id === "axes") figure.previousElementSibling.hidden = !chosen;
    if (chosen) figure.dataset.ready ? Plotly.Plots.resize(figure) : draw(figure);
  }
}
document.querySelectorAll(".tabs button").forEach((tab) => tab.addEventListener("click", () => select(tab)));

/** Show the front in the two objectives that were chosen; choosing one twice swaps them. */
const axes = document.getElementById("axes");
if (axes) {
  const offered = JSON.parse(axes.querySelector("script").textContent);
  const selects = [...axes.querySelectorAll("select")];
  let before = selects.map((s) => s.value);
  const show = async () => {
    const [y, x] = selects.map((s) => offered.axes[s.value]);
    const { line, shapes } = offered.views[`${selects[0].value}, ${selects[1].value}`];
    const figure = axes.nextElementSibling;
    const data = figure.data.map((trace, i) => ({
      ...trace, x: x.values[i] ?? line.x, y: y.values[i] ?? line.y, error_x: x.errors[i], error_y: y.errors[i],
    }));
    const scales = { xaxis: { ...figure.layout.xaxis, ...x.layout }, yaxis: { ...figure.layout.yaxis, ...y.layout } };
    await Plotly.react(figure, data, { ...figure.layout, ...scales, shapes });
    figure.dataset.axes = selects.map((s) => s.value).join();
  };
  selects.forEach((select, i) => select.addEventListener("change", () => {
    if (selects[1 - i].value === select.value) selects[1 - i].value = before[i];
    before = selects.map((s) => s.value);
    show();
  }));
}

/** Sort by a column; numbers by size, the dense model first. */
function sort(head) {
  const body = head.closest("table").tBodies[0];
  const column = head.cellIndex;
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const key = (row) => row.cells[column].dataset.key;
  const compare = (a, b) => (a === "" || b === "" || isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b);
  const rows = [...body.rows].filter((row) => !row.classList.contains("dense"));
  rows.sort((a, b) => (up ? 1 : -1) * compare(key(a), key(b)));
  body.append(...rows);
}
document.querySelectorAll("table.sortable th button").forEach((b) => b.addEventListener("click", () => sort(b.parentElement)));

/** Copy by the clipboard, else by a selection: files have no clipboard in some browsers. */
async function copy(button) {
  const code = button.closest("tr").querySelector("td.command code");
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    getSelection().selectAllChildren(code);
    document.execCommand("copy");
  }
  button.textContent = "copied";
  setTimeout(() => { button.textContent = button.dataset.label; }, 1500);
}
document.querySelectorAll(".copy").forEach((b) => b.addEventListener("click", () => copy(b)));
