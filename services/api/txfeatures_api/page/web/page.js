// The page: loads the history, follows the stream, and says in words how things stand.

import { getJson } from "./api.js";
import { FeedClock } from "./clock.js";
import { showDeclared, showSnippets, showValues } from "./declared.js";
import { flowLost, showFlow, showStores } from "./flow.js";
import { duration } from "./format.js";
import { History } from "./history.js";
import { showAge, showNewest } from "./newest.js";
import { Rows } from "./rows.js";
import { follow } from "./stream.js";

const FLOW_EVERY_MS = 2000;
const STALE_S = 90;
const RETRY_MS = 3000;
const TICK_MS = 100;

const rows = new Rows();
const clock = new FeedClock();
const history = new History(rows, { onClock: (asOf) => clock.set(asOf), onRange: load });
const trouble = { stream: null, history: null, store: null };
let isStreaming = false;
let isDrawn = true;
let isLoading = false;

const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });

/** The state of the page: its kind, a few words, and a sentence if there is more to say. */
function state(ageS) {
  if (!isStreaming) {
    const { stream } = trouble;
    if (!stream) return ["connecting", "Connecting", ""];
    if (stream.status === 401) return ["lost", "Refused", "The api demands a token. What you give here is kept for this tab alone."];
    const words = { 403: "Refused", 503: "Store down" }[stream.status] ?? "Reconnecting";
    return ["lost", words, `${stream.message} Trying again; ${rows.newest === null ? "there is no row yet." : "the rows shown are the last known."}`];
  }
  const refused = trouble.store ?? trouble.history;
  if (refused?.status === 503) return ["lost", "Store down", refused.message];
  if (rows.newest === null) {
    return ["waiting", "Waiting for the first minute", "The pipeline runs, and no minute has a row yet: the first one comes with the first transactions."];
  }
  if (clock.isStill) {
    return ["stale", "Feed stands still", `No poller has moved the feed\u2019s clock for ${Math.floor(clock.stillS)} s.`];
  }
  if (ageS > STALE_S) {
    return ["stale", "Stale", `The feed\u2019s clock goes on, and the newest row is ${duration(ageS)} old: see the lag below.`];
  }
  return ["live", "Live", ""];
}

function showState(ageS) {
  const [kind, words, sentence] = state(ageS);
  const [text, notice] = [document.getElementById("state-words"), document.getElementById("notice")];
  document.body.dataset.live = kind;
  if (text.textContent !== words) text.textContent = words;
  if (notice.textContent !== sentence) notice.textContent = sentence;
  notice.hidden = !sentence;
}

function tick() {
  const row = rows.get(rows.newest);
  let ageS = null;
  if (row && clock.isKnown) {
    ageS = showAge(row, clock);
    showStores(ageS);
  }
  showState(ageS);
}

/** Draw at the next frame, however many rows have come before it. */
function changed() {
  if (!isDrawn) return;
  isDrawn = false;
  requestAnimationFrame(() => {
    isDrawn = true;
    const row = rows.get(rows.newest);
    if (!row) return;
    showNewest(row, rows.get(rows.newestFinal));
    showValues(row);
    history.draw();
  });
}

async function load() {
  if (isLoading) return;
  isLoading = true;
  try {
    const now = clock.isKnown ? clock.nowS() : Date.parse((await getJson("v1/features?limit=1")).as_of) / 1000;
    await history.load(now);
    trouble.history = null;
  } catch (error) {
    trouble.history = error;
    setTimeout(load, RETRY_MS);
  } finally {
    isLoading = false;
  }
  changed();
}

async function keepFlow() {
  for (;;) {
    try {
      clock.set(await showFlow());
    } catch (error) {
      flowLost(error);
    }
    await sleep(FLOW_EVERY_MS);
    while (document.hidden) await sleep(FLOW_EVERY_MS);
  }
}

/** Find out why no row comes: the stream only shows that none does. */
async function keepDiagnosis() {
  for (;;) {
    await sleep(RETRY_MS);
    const row = rows.get(rows.newest);
    if (row && clock.isKnown && clock.nowS() - row.event_time < STALE_S / 9) {
      trouble.store = null;
      continue;
    }
    try {
      const latest = await getJson("v1/features/latest");
      clock.set(latest.as_of);
      if (rows.add(latest)) changed();
      trouble.store = null;
    } catch (error) {
      trouble.store = error;
    }
  }
}

async function declare() {
  for (;;) {
    try {
      history.declare(await showDeclared());
      return;
    } catch {
      await sleep(RETRY_MS);
    }
  }
}

async function start() {
  showSnippets();
  setInterval(tick, TICK_MS);
  follow({
    lastEventId: () => rows.lastEventId(),
    open: () => {
      isStreaming = true;
      trouble.stream = null;
    },
    row: (row) => {
      if (row.as_of) clock.set(row.as_of);
      if (rows.add(row)) changed();
    },
    lost: (error) => {
      isStreaming = false;
      trouble.stream = error;
    },
  });
  keepFlow();
  keepDiagnosis();
  await declare();
  await load();
}

start();
