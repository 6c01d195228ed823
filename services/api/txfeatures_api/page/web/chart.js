// Small time charts in SVG: one minute is one column, all charts share the columns.
//
// A minute is final (solid), provisional (hatched and dashed) or without row (a hatched column).
// Colours and strokes are the style sheet's: a theme changes without a new drawing.

import { MINUTE_S } from "./rows.js";
import { time } from "./format.js";

// In rem, as the style sheet has them: the drawing grows with the type.
const LEFT_REM = 3.3;
const RIGHT_REM = 0.6;
const TOP = 8;
const TICKS = 3;

const rem = () => Number.parseFloat(getComputedStyle(document.documentElement).fontSize);

/** Return an SVG element. */
export function svg(name, attributes = {}, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}

/** The columns of a span of minutes on `width` pixels. */
export class Columns {
  constructor(first, last, width) {
    this.first = first;
    this.last = last;
    this.rem = rem();
    this.start = LEFT_REM * this.rem;
    this.width = Math.max(1, width - this.start - RIGHT_REM * this.rem);
    this.number = (last - first) / MINUTE_S + 1;
    this.step = this.width / this.number;
  }

  left(index) {
    return this.start + index * this.step;
  }

  middle(index) {
    return this.start + (index + 0.5) * this.step;
  }

  /** The index of the column at `x`, kept within the span. */
  at(x) {
    return Math.max(0, Math.min(this.number - 1, Math.floor((x - this.start) / this.step)));
  }

  /** Seconds between two labels, so that they have room. */
  labelStep() {
    const room = this.width / (4.2 * this.rem);
    const minutes = [5, 10, 30, 60, 180, 360].find((each) => this.number / each <= room) ?? 720;
    return minutes * MINUTE_S;
  }
}

/** The round numbers of an axis from 0 to at least `most`. */
export function ticks(most) {
  if (!(most > 0)) return [0, 1];
  const rough = most / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough);
  const found = [];
  for (let index = 0; index * step < most + step; index += 1) found.push(index * step);
  return found;
}

/** Runs of indexes for which `is` holds. */
export function runs(number, is) {
  const found = [];
  for (let index = 0, start = null; index <= number; index += 1) {
    const holds = index < number && is(index);
    if (holds && start === null) start = index;
    if (!holds && start !== null) {
      found.push([start, index - 1]);
      start = null;
    }
  }
  return found;
}

/** One chart. `layers` are drawn in their order: {kind: bars|band|line, of, low, high, tone}. */
export class Chart {
  #svg;
  #layers;
  #label;
  #columns = null;
  #height = 0;
  #most = 1;

  constructor(element, layers, label) {
    this.#svg = element;
    this.#layers = layers;
    this.#label = label;
  }

  /** Draw the rows, one for each column, undefined for none. */
  draw(rows, columns, absent) {
    this.#columns = columns;
    this.#height = this.#svg.clientHeight;
    const tops = rows.flatMap((row) => (row ? this.#layers.map((l) => (l.high ?? l.of)(row)) : []));
    const axis = ticks(Math.max(0, ...tops.filter((top) => top !== null && top !== undefined)));
    this.#most = axis.at(-1);
    const parts = [...this.#axis(axis), ...absentColumns(absent, columns, TOP, this.#height - 1)];
    for (const layer of this.#layers) parts.push(...this[`_${layer.kind}`](layer, rows));
    this.#svg.replaceChildren(...parts, (this.cursor = svg("line", { class: "cursor" })));
  }

  /** Mark the column `index`, or none for null. */
  point(index) {
    this.cursor?.toggleAttribute("hidden", index === null);
    const x = this.#columns.middle(index ?? 0);
    for (const [key, value] of Object.entries({ x1: x, x2: x, y1: TOP, y2: this.#height })) {
      this.cursor?.setAttribute(key, value);
    }
  }

  #y(value) {
    return this.#height - 1 - (value / this.#most) * (this.#height - 1 - TOP);
  }

  #axis(axis) {
    const { start, width } = this.#columns;
    return axis.flatMap((value) => {
      const y = Math.round(this.#y(value)) + 0.5;
      const rule = svg("line", { class: value ? "rule" : "base", x1: start, x2: start + width, y1: y, y2: y });
      const text = svg("text", { class: "tick", x: start - 8, y, dy: "0.32em" }, this.#label(value));
      return value ? [rule, text] : [rule];
    });
  }

  _bars(layer, rows) {
    const { step } = this.#columns;
    const gap = step > 3 ? Math.min(step * 0.25, 1 + step * 0.08) : 0;
    const paths = { final: "", open: "" };
    rows.forEach((row, index) => {
      if (!row) return;
      const [left, y] = [this.#columns.left(index) + gap / 2, this.#y(layer.of(row))];
      const bar = `M${left.toFixed(2)} ${this.#height - 1}V${y.toFixed(2)}h${(step - gap).toFixed(2)}V${this.#height - 1}z`;
      paths[row.is_final ? "final" : "open"] += bar;
    });
    return [
      svg("path", { class: `area ${layer.tone}`, d: paths.final }),
      svg("path", { class: `area open ${layer.tone}`, fill: `url(#open-${layer.tone})`, d: paths.open }),
    ];
  }

  _band(layer, rows) {
    return this.#segments(rows, layer.high).map(([start, end, kind]) => {
      const above = this.#points(rows, start, end, layer.high);
      const below = this.#points(rows, start, end, layer.low).reverse();
      const attributes = { class: `band ${kind} ${layer.tone}`, d: `M${[...above, ...below].join("L")}z` };
      if (kind === "open") attributes.fill = `url(#open-${layer.tone})`;
      return svg("path", attributes);
    });
  }

  _line(layer, rows) {
    const lines = this.#segments(rows, layer.of).map(([start, end, kind]) =>
      svg("path", {
        class: `line ${kind} ${layer.tone}`,
        d: `M${this.#points(rows, start, end, layer.of).join("L")}`,
      }));
    const last = rows.findLastIndex((row) => row && layer.of(row) !== null);
    if (last < 0) return lines;
    const at = { cx: this.#columns.middle(last), cy: this.#y(layer.of(rows[last])), r: 0.22 * this.#columns.rem };
    const kind = rows[last].is_final ? "final" : "open";
    return [...lines, svg("circle", { class: `end ${kind} ${layer.tone}`, ...at })];
  }

  /** Runs of final and of provisional rows; the latter begin at the final row before them. */
  #segments(rows, of) {
    const has = (index) => rows[index] && of(rows[index]) !== null && of(rows[index]) !== undefined;
    const final = (index) => has(index) && Boolean(rows[index].is_final);
    const open = (index) => has(index) && !rows[index].is_final;
    return [
      ...runs(rows.length, final).map(([start, end]) => [start, end, "final"]),
      ...runs(rows.length, open).map(([start, end]) => [start - (has(start - 1) ? 1 : 0), end, "open"]),
    ];
  }

  #points(rows, start, end, of) {
    const found = [];
    for (let index = start; index <= end; index += 1) {
      found.push(`${this.#columns.middle(index).toFixed(2)} ${this.#y(of(rows[index])).toFixed(2)}`);
    }
    if (start === end) found.push(`${(this.#columns.middle(end) + 0.01).toFixed(2)} ${found[0].split(" ")[1]}`);
    return found;
  }
}

/** Hatched columns for minutes without row. */
export function absentColumns(absent, columns, top, bottom) {
  return absent.map(([start, end]) =>
    svg("rect", {
      class: "absent",
      fill: "url(#hatch)",
      x: columns.left(start),
      width: Math.max(1.5, (end - start + 1) * columns.step),
      y: top,
      height: bottom - top,
    }));
}

/** The labels of the time axis, and the marks of gaps and late transactions above them. */
export function drawEvents(element, rows, columns) {
  const unit = columns.rem / 16;
  const parts = [];
  const labelStep = columns.labelStep();
  for (let index = 0; index < columns.number; index += 1) {
    const minute = columns.first + index * MINUTE_S;
    if (minute % labelStep === 0 && columns.middle(index) > columns.start + columns.rem) {
      const x = columns.middle(index);
      parts.push(svg("line", { class: "base", x1: x, x2: x, y1: 0, y2: 5 * unit }));
      parts.push(svg("text", { class: "hour", x, y: 40 * unit }, time(minute)));
    }
  }
  const mark = (name, index, path) => parts.push(svg("path", {
    class: name, d: path, transform: `translate(${columns.middle(index)} 0) scale(${unit})`,
  }));
  rows.forEach((row, index) => {
    if (row?.nb_gaps_1min) mark("mark-gap", index, "M0 8l4.500 8h-9z");
    if (row?.nb_late_trx_1min) mark("mark-late", index, "M0 17l4 5-4 5-4-5z");
  });
  element.replaceChildren(...parts);
}
