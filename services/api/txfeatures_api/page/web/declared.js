// The declared features with the newest minute's values, and two snippets to begin with.

import { getJson } from "./api.js";
import * as format from "./format.js";

const cells = new Map(); // feature -> [its unit, the cell of its value]

function line(feature) {
  const row = document.createElement("tr");
  const name = document.createElement("th");
  name.scope = "row";
  name.append(Object.assign(document.createElement("code"), { textContent: feature.name }));
  const value = Object.assign(document.createElement("td"), { className: "number", textContent: format.NONE });
  cells.set(feature.name, [feature.unit, value]);
  const error = feature.error ? ` Error: ${feature.error}.` : "";
  const texts = { unit: feature.unit, type: feature.type, meaning: feature.description + error };
  row.append(name, value, ...Object.entries(texts).map(([className, textContent]) =>
    Object.assign(document.createElement("td"), { className, textContent })));
  return row;
}

/** Load and list the features; return their names. Throws an ApiError. */
export async function showDeclared() {
  const { features } = await getJson("v1/features/declared");
  cells.clear();
  document.getElementById("features").replaceChildren(...features.map(line));
  document.getElementById("declared-aside").textContent = `${features.length} columns of the feature group`;
  return new Set(features.map((feature) => feature.name));
}

/** Show the values of `row`. */
export function showValues(row) {
  for (const [name, [unit, cell]] of cells) {
    const text = format.value(name, unit, row[name]);
    if (cell.textContent !== text) cell.textContent = text;
  }
}

/** Fill in the snippets for the address of this page, and let them be copied. */
export function showSnippets() {
  const base = new URL(".", location.href).href;
  const texts = {
    "snippet-curl": `curl -s ${base}v1/features/latest\ncurl -N ${base}v1/features/stream`,
    "snippet-python": [
      "import json, urllib.request", "",
      `latest = "${base}v1/features/latest"`,
      "row = json.load(urllib.request.urlopen(latest))",
      'print(row["tx_minute"], row["total_nb_trx_1min"])',
    ].join("\n"),
  };
  for (const [id, text] of Object.entries(texts)) document.getElementById(id).textContent = text;
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => copy(button, document.getElementById(button.dataset.copy)));
  }
}

async function copy(button, code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code); // no clipboard without TLS: one key is left to press
    button.textContent = "Selected, press Ctrl+C";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2500);
}
