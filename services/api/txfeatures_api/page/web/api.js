// Requests to the api that served this page. Addresses are relative, so that a path prefix of a
// proxy is kept.

import { askForToken, authorization } from "./token.js";

const PAGE_MINUTES = 1000;

/** An answer that is not 2xx, or none at all (status 0). */
export class ApiError extends Error {
  constructor(status, detail, retryAfterS) {
    super(detail);
    this.status = status;
    this.retryAfterS = retryAfterS;
  }
}

/** Request `path`; return the answer, or throw an ApiError with a sentence. */
export async function request(path, options = {}) {
  let answer;
  try {
    const headers = { ...authorization(), ...options.headers };
    answer = await fetch(path, { cache: "no-cache", ...options, headers });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, "The api can\u2019t be reached.", null);
  }
  if (answer.ok) return answer;
  if (answer.status === 401) askForToken();
  let detail = `The api answered ${answer.status}.`;
  try {
    detail = (await answer.json()).detail ?? detail;
  } catch {
    // not a problem of the api: a proxy's own page
  }
  throw new ApiError(answer.status, detail, Number(answer.headers.get("Retry-After")) || null);
}

export const getJson = async (path) => (await request(path)).json();

/** Yield the answers of a range of minutes, page after page. */
export async function* pages(from, to, fields) {
  const shared = { limit: PAGE_MINUTES, fields: fields.join(",") };
  for (let start = { from, to }; start;) {
    const page = await getJson(`v1/features?${new URLSearchParams({ ...start, ...shared })}`);
    yield page;
    start = page.next && { cursor: page.next };
  }
}
