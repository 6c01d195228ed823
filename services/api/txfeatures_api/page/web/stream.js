// Server-sent events over fetch. EventSource hides the status and the sentence of a refusal, and
// gives up for good after one; this resumes by itself for as long as the page is open.

import { ApiError, request } from "./api.js";

const FIRST_WAIT_S = 1;
const LONGEST_WAIT_S = 15;
const SILENCE_MS = 45_000; // three heartbeats of the server

/**
 * Follow the stream for ever.
 *
 * @param {object} on
 * @param {() => string|null} on.lastEventId  the id to resume after
 * @param {(row: object) => void} on.row
 * @param {() => void} on.open
 * @param {(error: ApiError, waitS: number) => void} on.lost
 */
export async function follow(on) {
  let waitS = FIRST_WAIT_S;
  for (;;) {
    try {
      await read(on, () => { waitS = FIRST_WAIT_S; });
      on.lost(new ApiError(0, "The stream ended.", null), waitS);
    } catch (error) {
      waitS = Math.max(waitS, error.retryAfterS ?? 0);
      on.lost(error, waitS);
    }
    await pause(waitS);
    waitS = Math.min(waitS * 2, LONGEST_WAIT_S);
  }
}

async function read(on, onOpen) {
  const control = new AbortController();
  const query = new URLSearchParams();
  const id = on.lastEventId();
  if (id) query.set("last_event_id", id);
  let timer = setTimeout(() => control.abort(), SILENCE_MS);
  try {
    const answer = await request(`v1/features/stream?${query}`, {
      headers: { Accept: "text/event-stream" },
      signal: control.signal,
    });
    onOpen();
    on.open();
    const lines = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await lines.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => control.abort(), SILENCE_MS);
      const events = (rest + value.replaceAll("\r\n", "\n")).split("\n\n");
      rest = events.pop();
      events.forEach((event) => deliver(event, on));
    }
  } catch (error) {
    if (error instanceof ApiError) throw error;
    const detail = control.signal.aborted ? "The stream fell silent." : "The stream was cut.";
    throw new ApiError(0, detail, null);
  } finally {
    clearTimeout(timer);
  }
}

function deliver(event, on) {
  let name = "message";
  const data = [];
  for (const line of event.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  if (name === "row" && data.length) on.row(JSON.parse(data.join("\n")));
}

const pause = (seconds) => new Promise((done) => { setTimeout(done, seconds * 1000); });
