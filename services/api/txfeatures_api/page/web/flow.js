// The flow: the counts of each stage, and how far its reader is behind.

import { getJson } from "./api.js";
import * as format from "./format.js";

const part = (stage, name) => document.querySelector(`#stages [data-stage="${stage}"] [data-${name}]`);

function set(stage, name, text) {
  const element = part(stage, name);
  if (element.textContent !== text) element.textContent = text;
}

const perSecond = (rate) => (rate === null ? "\u00a0" : `${format.rate(rate)} a second`);

function behind(stage) {
  if (stage.lag_records === null) return "lag not known";
  if (stage.is_caught_up) return `${stage.reader} is at the end`;
  return `${stage.reader} is ${format.count(stage.lag_records)} behind`;
}

/** Request the counts and show them; return the feed's clock. Throws an ApiError. */
export async function showFlow() {
  const answer = await getJson("v1/pipeline");
  for (const stage of answer.stages) {
    set(stage.name, "amount", format.count(stage.records));
    set(stage.name, "rate", perSecond(stage.rate_per_s));
    if (stage.reader) {
      const lag = part(stage.name, "lag");
      lag.dataset.behind = String(!stage.is_caught_up);
      set(stage.name, "lag", behind(stage));
    }
  }
  set("source", "amount", `${format.count(answer.polls)} polls`);
  set("source", "rate", `${format.count(answer.failed_polls)} failed, ${format.count(answer.gaps)} gaps`);
  document.getElementById("flow-aside").textContent =
    `Counts are offsets used in each topic, ticks and commit markers included. Late and not counted: ${format.count(answer.late)}. `
    + `Dead letters: ${format.count(answer.dead_letters)}.`;
  return answer.as_of;
}

/** Say since when the counts stand. */
export function flowLost(error) {
  document.getElementById("flow-aside").textContent = `The counts stand still: ${error.message}`;
}

/** Show how far the stores are behind the feed's clock. */
export function showStores(ageS) {
  set("stores", "lag", `newest row ${format.duration(ageS)} old`);
}
