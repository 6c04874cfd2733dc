// Asks the server, two photos at once at the most, in the order in which they came.

import * as token from "./token.js";

const AT_ONCE = 2;
const UNREACHABLE = "I cannot be reached right now. Check that the program still runs.";
const UNREADABLE = "This file cannot be read; perhaps it is a folder, or was moved.";

let inFlight = 0;
const line = [];

export class Trouble extends Error {
  constructor(message, retryAfter = null) {
    super(message);
    this.retryAfter = retryAfter; // seconds; null if waiting does not help
  }
}

// Answers with the API's JSON, and throws Trouble with a sentence for the person, or AbortError.
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
    throw new Trouble(UNREADABLE);
  }
  for (;;) {
    const shown = token.held();
    const answer = await post(photo, query, shown, signal);
    const said = await answer.json().catch(() => ({}));
    signal.throwIfAborted();
    if (answer.ok && said.caption) return said;
    if (answer.status !== 401 || !(await token.replaced(shown, said.error, since))) {
      const seconds = Number(answer.headers.get("Retry-After"));
      throw new Trouble(said.error ?? UNREACHABLE, seconds > 0 ? seconds : null);
    }
  }
}

async function post(photo, query, shown, signal) {
  const headers = shown ? { Authorization: `Bearer ${inBytes(shown)}` } : {};
  const address = `/api/caption?${new URLSearchParams(query)}`;
  try {
    return await fetch(address, { method: "POST", body: photo, headers, signal });
  } catch (error) {
    throw signal.aborted ? error : new Trouble(UNREACHABLE);
  }
}

// A header holds bytes; each becomes the character of the same number.
function inBytes(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}
