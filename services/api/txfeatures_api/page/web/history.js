// The history: three charts on one time axis, a minute to read, and the same as a table.

import { pages } from "./api.js";
import { Chart, Columns, drawEvents, runs } from "./chart.js";
import * as format from "./format.js";
import { MINUTE_S } from "./rows.js";

const TABLE_ROWS = 240;
const LEAST_MINUTES = 20;

/** The features that the charts and the marks need. */
export const FIELDS = [
  "tx_minute", "total_nb_trx_1min", "total_fee_1min", "fee_rate_p10_1min", "fee_rate_p50_1min",
  "fee_rate_p90_1min", "revision", "is_final", "nb_gaps_1min", "nb_late_trx_1min", "event_time",
];

const COUNT = (row) => row.total_nb_trx_1min;
const LOW = (row) => row.fee_rate_p10_1min;
const MEDIAN = (row) => row.fee_rate_p50_1min;
const HIGH = (row) => row.fee_rate_p90_1min;
const FEE = (row) => row.total_fee_1min;

const CHARTS = {
  count: {
    layers: [{ kind: "bars", of: COUNT, tone: "count" }],
    label: format.count,
    text: (row) => format.count(COUNT(row)),
    needs: "total_nb_trx_1min",
  },
  rates: {
    layers: [
      { kind: "band", of: HIGH, low: LOW, high: HIGH, tone: "rates" },
      { kind: "line", of: MEDIAN, tone: "rates" },
    ],
    label: (value) => String(Number(value.toPrecision(3))),
    text: (row) => `${format.rate(MEDIAN(row))} (${format.rate(LOW(row))} to ${format.rate(HIGH(row))})`,
    needs: "fee_rate_p90_1min",
  },
  fees: {
    layers: [{ kind: "bars", of: FEE, tone: "fees" }],
    label: (value) => String(Number((value / 1e8).toPrecision(3))),
    text: (row) => format.bitcoin(FEE(row)),
    needs: "total_fee_1min",
  },
};

const byId = (id) => document.getElementById(id);

/** Words for the state of a row. */
export function stateOf(row) {
  if (!row) return "no row";
  const state = row.is_final ? "final" : "provisional";
  const late = row.nb_late_trx_1min ? `, ${format.count(row.nb_late_trx_1min)} late` : "";
  const gaps = row.nb_gaps_1min ? `, ${format.count(row.nb_gaps_1min)} gaps` : "";
  return `${state}, revision ${row.revision}${late}${gaps}`;
}

export class History {
  #rows;
  #fields = FIELDS;
  #charts = [];
  #columns = null;
  #hours = 3;
  #held = null; // the minute that the reader holds on to; null follows the newest
  #loadedFrom = null;

  /** `onClock` receives the feed's clock of each answer; `onRange` follows a choice of hours. */
  constructor(rows, { onClock, onRange }) {
    this.#rows = rows;
    this.onClock = onClock;
    this.onRange = onRange;
    for (const figure of document.querySelectorAll("#charts figure")) {
      const chart = CHARTS[figure.dataset.chart];
      const read = figure.querySelector("[data-read]");
      const drawn = new Chart(figure.querySelector("svg"), chart.layers, chart.label);
      this.#charts.push({ ...chart, figure, read, drawn });
    }
    this.#listen();
  }

  get hours() {
    return this.#hours;
  }

  /** Leave out the features, and the charts of those, that are not declared. */
  declare(names) {
    this.#fields = FIELDS.filter((name) => names.has(name));
    for (const chart of this.#charts) chart.figure.hidden = !names.has(chart.needs);
  }

  /** Load the hours shown up to `nowS`, unless they are loaded; throws an ApiError. */
  async load(nowS) {
    const last = Math.floor(nowS / MINUTE_S) * MINUTE_S;
    const first = last - (this.#hours * 60 - 1) * MINUTE_S;
    if (this.#loadedFrom !== null && this.#loadedFrom <= first) return;
    const end = this.#loadedFrom === null ? last : this.#loadedFrom;
    for await (const page of pages(first, end, this.#fields)) {
      page.rows.forEach((row) => this.#rows.add(row));
      this.onClock(page.as_of);
    }
    this.#loadedFrom = first;
  }

  draw() {
    if (this.#rows.newest === null) return;
    const last = this.#rows.newest;
    const first = Math.max(
      last - (this.#hours * 60 - 1) * MINUTE_S,
      Math.min(this.#rows.oldest, last - (LEAST_MINUTES - 1) * MINUTE_S), // a young history fills the width
    );
    const rows = this.#rows.between(first, last);
    this.#columns = new Columns(first, last, byId("events").clientWidth);
    const from = (this.#rows.oldest - first) / MINUTE_S;
    const absent = runs(rows.length, (index) => index > from && !rows[index]);
    for (const chart of this.#charts) {
      if (!chart.figure.hidden) chart.drawn.draw(rows, this.#columns, absent);
    }
    drawEvents(byId("events"), rows, this.#columns);
    this.#describe(rows, absent);
    this.#read(rows);
    if (byId("as-table").open) this.#tabulate(rows, first);
  }

  #read(rows) {
    const { first, number } = this.#columns;
    if (this.#held !== null && this.#held < first) this.#held = null;
    const index = this.#held === null ? number - 1 : (this.#held - first) / MINUTE_S;
    const row = rows[index];
    const minute = format.time(first + index * MINUTE_S);
    for (const chart of this.#charts) {
      if (chart.figure.hidden) continue;
      chart.drawn.point(this.#held === null ? null : index);
      chart.read.textContent = row ? chart.text(row) : format.NONE;
    }
    const scrub = byId("scrub");
    scrub.max = number - 1;
    scrub.value = index;
    scrub.setAttribute("aria-valuetext", `${minute}, ${stateOf(row)}${row ? `, ${format.count(COUNT(row))} transactions` : ""}`);
    byId("cursor").textContent = `${minute} UTC, ${stateOf(row)}`;
    byId("follow").hidden = this.#held === null;
  }

  #describe(rows, absent) {
    const known = rows.filter(Boolean);
    const span = `${this.#hours} h, ${known.length} minutes`;
    const low = (of) => Math.min(...known.map(of));
    const high = (of) => Math.max(...known.map(of));
    const texts = {
      count: () => `Transactions per minute, ${span}: ${format.count(low(COUNT))} to ${format.count(high(COUNT))}`,
      rates: () => `Fee rate per minute in satoshi per vbyte, ${span}: p50 ${format.rate(low(MEDIAN))} to ${format.rate(high(MEDIAN))}, p90 up to ${format.rate(high(HIGH))}`,
      fees: () => `Total fee per minute in bitcoin, ${span}: ${format.bitcoin(low(FEE))} to ${format.bitcoin(high(FEE))}`,
    };
    for (const { figure } of this.#charts) {
      if (!figure.hidden) figure.querySelector("svg").setAttribute("aria-label", texts[figure.dataset.chart]());
    }
    const gaps = known.filter((row) => row.nb_gaps_1min).length;
    const late = known.filter((row) => row.nb_late_trx_1min).length;
    const none = absent.reduce((sum, [start, end]) => sum + end - start + 1, 0);
    byId("events").setAttribute("aria-label", `Minutes with gaps: ${gaps}; with late transactions: ${late}; without row: ${none}`);
  }

  #tabulate(rows, first) {
    const lines = rows.map((row, index) => [first + index * MINUTE_S, row])
      .filter(([minute, row]) => row || minute > this.#rows.oldest).reverse().slice(0, TABLE_ROWS);
    byId("table-rows").replaceChildren(...lines.map(([minute, row]) => {
      const line = document.createElement("tr");
      const cells = row
        ? [format.count(COUNT(row)), format.rate(LOW(row)), format.rate(MEDIAN(row)), format.rate(HIGH(row)), format.bitcoin(FEE(row)), stateOf(row)]
        : ["", "", "", "", "", stateOf(row)];
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = `${format.date(minute)} ${format.time(minute)}`;
      line.append(head, ...cells.map((text) => {
        const cell = document.createElement("td");
        cell.textContent = text;
        return cell;
      }));
      return line;
    }));
  }

  #hold(index) {
    this.#held = index >= this.#columns.number - 1 ? null : this.#columns.first + index * MINUTE_S;
    this.#read(this.#rows.between(this.#columns.first, this.#columns.last));
  }

  #listen() {
    byId("scrub").addEventListener("input", (event) => {
      if (this.#columns) this.#hold(Number(event.target.value));
    });
    byId("scrub").addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#release();
    });
    byId("follow").addEventListener("click", () => {
      this.#release();
      byId("scrub").focus();
    });
    byId("charts").addEventListener("pointermove", (event) => {
      if (!this.#columns || event.target.id === "scrub") return;
      this.#hold(this.#columns.at(event.clientX - byId("events").getBoundingClientRect().left));
    });
    byId("charts").addEventListener("pointerleave", () => this.#release());
    byId("ranges").addEventListener("change", (event) => {
      this.#hours = Number(event.target.value);
      this.#held = null;
      this.draw();
      this.onRange();
    });
    byId("as-table").addEventListener("toggle", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(byId("charts"));
  }

  #release() {
    this.#held = null;
    if (this.#columns) this.#read(this.#rows.between(this.#columns.first, this.#columns.last));
  }
}
