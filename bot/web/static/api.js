// Sends a photo to the server.

import { here } from "./language.js";
import { say } from "./say.js";
import * as token from "./token.js";

const UNREADABLE = "unreadable";
// Of troubles that may be over the next time: the person had no token, the upload was slow, there
// were too many photos. 0 is no answer at all; an earlier version of the page stored no status.
const MAY_PASS = [undefined, 0, 401, 408, 429];

export class Trouble extends Error {
  constructor(message, status, retryAfter = null) {
    super(message);
    this.status = status; // of HTTP; 0 if the server did not answer
    this.retryAfter = retryAfter; // seconds; null if the server named none
  }
}

// Whether asking again can help after a trouble with this status.
export const mayPass = (status) => MAY_PASS.includes(status) || status >= 500;

// Returns the API's JSON; throws Trouble with a sentence for the person, or AbortError. `since` is
// when the person asked, in the milliseconds of `performance`.
export async function send(photo, query, signal, since) {
  try {
    await photo.slice(0, 1).arrayBuffer();
  } catch {
    throw new Trouble(say("unreadable"), UNREADABLE);
  }
  for (;;) {
    const shown = token.held();
    const answer = await post(photo, query, shown, signal);
    const said = await answer.json().catch(() => ({}));
    signal.throwIfAborted();
    if (answer.ok && said.caption !== undefined) return said;
    if (!said.error) throw unlikeOurs(answer);
    if (answer.status !== 401 || !(await token.replaced(shown, said.error, since))) {
      const seconds = Number(answer.headers.get("Retry-After"));
      throw new Trouble(said.error, answer.status, seconds > 0 ? seconds : null);
    }
  }
}

// A proxy answers where the server is not running; and an answer may be cut off.
function unlikeOurs({ ok, status }) {
  const isAway = ok || status >= 500;
  return new Trouble(say(isAway ? "unreachable" : "not_arrived"), isAway ? 0 : status);
}

async function post(photo, query, shown, signal) {
  const headers = shown ? { Authorization: `Bearer ${inBytes(shown)}` } : {};
  const address = `/api/caption?${new URLSearchParams({ ...query, language: here })}`;
  try {
    return await fetch(address, { method: "POST", body: photo, headers, signal });
  } catch (error) {
    throw signal.aborted ? error : new Trouble(say("unreachable"), 0);
  }
}

// A header holds bytes: each byte of the UTF-8 text becomes the character with its number.
export function inBytes(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}
