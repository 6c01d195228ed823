// The rows known to the page: the newest revision of each minute.

export const MINUTE_S = 60;
const KEPT_S = 25 * 3600;

/** Epoch second of a record identifier, YYYY-MM-DD HH:MM:SS in UTC. */
export const second = (name) => Date.parse(`${name.replace(" ", "T")}Z`) / 1000;

export class Rows {
  #rows = new Map();
  newest = null; // epoch second of the newest minute
  oldest = null;
  newestFinal = null;

  /** Take a row, unless a newer revision of its minute is known; return whether it was taken. */
  add(row) {
    const minute = second(row.tx_minute);
    const known = this.#rows.get(minute);
    if (known && known.revision > row.revision) return false;
    // A row of the history has some features only; those of the stream have all.
    this.#rows.set(minute, known?.revision === row.revision ? { ...known, ...row } : row);
    if (this.newest === null || minute > this.newest) this.#advance(minute);
    if (this.oldest === null || minute < this.oldest) this.oldest = minute;
    if (row.is_final && !(minute < this.newestFinal)) this.newestFinal = minute;
    return true;
  }

  get(minute) {
    return this.#rows.get(minute);
  }

  /** The id of the newest row, as the stream numbers its events; null without rows. */
  lastEventId() {
    if (this.newest === null) return null;
    const row = this.#rows.get(this.newest);
    return `${row.tx_minute.replace(" ", "T")}Z/${row.revision}`;
  }

  /** The rows of the minutes from `first` to `last`; undefined for a minute without row. */
  between(first, last) {
    const found = [];
    for (let minute = first; minute <= last; minute += MINUTE_S) found.push(this.#rows.get(minute));
    return found;
  }

  #advance(minute) {
    this.newest = minute;
    for (const old of this.#rows.keys()) {
      if (old < minute - KEPT_S) this.#rows.delete(old);
    }
    if (this.oldest !== null) this.oldest = Math.max(this.oldest, minute - KEPT_S);
  }
}
