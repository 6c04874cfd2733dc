// Sends photos to the server, at most two at once, in the order in which they came.

import { here } from "./language.js";
import { say } from "./say.js";
import * as token from "./token.js";

const AT_ONCE = 2;

let inFlight = 0;
const line = [];

export class Trouble extends Error {
  constructor(message, retryAfter = null) {
    super(message);
    this.retryAfter = retryAfter; // seconds; null if waiting does not help
  }
}

// Returns the API's JSON; throws Trouble with a sentence for the person, or AbortError.
export async function ask(photo, query, signal, started) {
  signal.throwIfAborted();
  const since = performance.now();
  await turn(signal);
  try {
    started();
    return await send(photo, query, signal, since);
  } finally {
    inFlight -= 1;
    advance();
  }
}

function turn(signal) {
  return new Promise((resolve, reject) => {
    line.push({ resolve, signal });
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    advance();
  });
}

function advance() {
  while (inFlight < AT_ONCE && line.length) {
    const next = line.shift();
    if (next.signal.aborted) continue;
    inFlight += 1;
    next.resolve();
  }
}

async function send(photo, query, signal, since) {
  try {
    await photo.slice(0, 1).arrayBuffer();
  } catch {
    throw new Trouble(say("unreadable"));
  }
  for (;;) {
    const shown = token.held();
    const answer = await post(photo, query, shown, signal);
    const said = await answer.json().catch(() => ({}));
    signal.throwIfAborted();
    if (answer.ok && said.caption) return said;
    if (answer.status !== 401 || !(await token.replaced(shown, said.error, since))) {
      const seconds = Number(answer.headers.get("Retry-After"));
      throw new Trouble(said.error ?? say("unreachable"), seconds > 0 ? seconds : null);
    }
  }
}

async function post(photo, query, shown, signal) {
  const headers = shown ? { Authorization: `Bearer ${inBytes(shown)}` } : {};
  const address = `/api/caption?${new URLSearchParams({ ...query, language: here })}`;
  try {
    return await fetch(address, { method: "POST", body: photo, headers, signal });
  } catch (error) {
    throw signal.aborted ? error : new Trouble(say("unreachable"));
  }
}

// A header holds bytes: each byte of the UTF-8 text becomes the character with its number.
export function inBytes(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}
