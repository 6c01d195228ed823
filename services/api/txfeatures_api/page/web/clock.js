// The feed's clock, between two answers that state it.

const STILL_S = 20;
const RUN_ON_S = 5; // without an answer the clock runs on no further than that

export class FeedClock {
  #asOf = null;
  #movedAt = 0;

  /** Take the clock of an answer, ISO 8601. */
  set(asOf) {
    const ms = Date.parse(asOf);
    if (!(ms > this.#asOf)) return;
    this.#asOf = ms;
    this.#movedAt = performance.now();
  }

  get isKnown() {
    return this.#asOf !== null;
  }

  /** Seconds since an answer last moved the clock. */
  get stillS() {
    return this.isKnown ? (performance.now() - this.#movedAt) / 1000 : 0;
  }

  get isStill() {
    return this.stillS > STILL_S;
  }

  /** Epoch seconds now. */
  nowS() {
    return this.#asOf / 1000 + Math.min(this.stillS, RUN_ON_S);
  }
}
