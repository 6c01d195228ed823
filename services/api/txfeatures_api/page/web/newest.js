// The newest minute: its numbers, its state and its age by the feed's clock.

import * as format from "./format.js";
import { stateOf } from "./history.js";
import { MINUTE_S, second } from "./rows.js";

const byId = (id) => document.getElementById(id);
const set = (id, text) => {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
};

let announcedFinal = null;

/** Show `row`, the newest; `final` is the newest final one, or undefined. */
export function showNewest(row, final) {
  const minute = second(row.tx_minute);
  set("minute", format.time(minute));
  byId("minute").dateTime = `${row.tx_minute.replace(" ", "T")}Z`;
  set("date", format.date(minute));
  byId("kind").dataset.kind = row.is_final ? "final" : "provisional";
  set("kind-words", stateOf(row));
  set("count", format.count(row.total_nb_trx_1min));
  set("count-aside", final
    ? `${format.time(second(final.tx_minute))} closed at ${format.count(final.total_nb_trx_1min)}`
    : "no minute is final yet");
  showRates(row);
  set("fee", format.bitcoin(row.total_fee_1min));
  set("average", format.count(row.avg_fee_1min));
  set("rbf", format.percent(row.rbf_share_1min));
  if (final) announce(final);
}

/** Say a minute once, when it is final: the provisional ones change each second. */
function announce(row) {
  if (row.tx_minute === announcedFinal) return;
  announcedFinal = row.tx_minute;
  set("announced", `Minute ${format.time(second(row.tx_minute))} is final: `
    + `${format.count(row.total_nb_trx_1min)} transactions, `
    + `median fee rate ${format.rate(row.fee_rate_p50_1min)} satoshi per vbyte.`);
}

function showRates(row) {
  const [low, median, high] = [row.fee_rate_p10_1min, row.fee_rate_p50_1min, row.fee_rate_p90_1min];
  set("p10", format.rate(low));
  set("p50", format.rate(median));
  set("p90", format.rate(high));
  const share = (value) => `${Math.min(100, ((value ?? 0) / ((high || 1) * 1.08)) * 100)}%`;
  byId("ruler-span").style.left = share(low);
  byId("ruler-span").style.right = `calc(100% - ${share(high)})`;
  byId("ruler-median").style.left = share(median);
}

/** Show how old the newest row is, and how far its minute has gone. */
export function showAge(row, clock) {
  const age = Math.max(0, clock.nowS() - row.event_time);
  set("age", format.duration(age));
  const into = Math.max(0, Math.min(1, (clock.nowS() - second(row.tx_minute)) / MINUTE_S));
  byId("progress").style.transform = `scaleX(${row.is_final ? 1 : into})`;
  return age;
}
