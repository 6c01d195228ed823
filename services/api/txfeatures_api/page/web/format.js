// Numbers and times as the page writes them.

const SATOSHI_PER_BITCOIN = 1e8;
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const day = new Intl.DateTimeFormat("en-GB", {
  weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC",
});

export const NONE = "\u2013";

const known = (value) => value !== null && value !== undefined;

/** A whole number with separators. */
export const count = (value) => (known(value) ? whole.format(value) : NONE);

/** Satoshi as bitcoin. */
export const bitcoin = (satoshi) =>
  known(satoshi) ? (satoshi / SATOSHI_PER_BITCOIN).toFixed(4) : NONE;

/** A fee rate: two decimals below ten, fewer above. */
export const rate = (value) =>
  known(value) ? value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0) : NONE;

/** A share as percent, without the sign. */
export const percent = (share) => (known(share) ? (share * 100).toFixed(1) : NONE);

/** Seconds as a short duration. */
export function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${whole.format(Math.floor(seconds / 86400))} days`;
}

/** HH:MM of an epoch second. */
export const time = (second) => new Date(second * 1000).toISOString().slice(11, 16);

/** The date of an epoch second. */
export const date = (second) => day.format(new Date(second * 1000));

/** Any value of a row, for the table of features. */
export function value(name, unit, given) {
  if (!known(given)) return NONE;
  if (typeof given === "string") return given;
  if (unit === "epoch seconds") return given.toFixed(3);
  if (Number.isInteger(given)) return whole.format(given);
  return given.toLocaleString("en", { minimumFractionDigits: 3, maximumFractionDigits: 3 });
}
