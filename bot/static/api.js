// Asks the server, two photos at once at the most, in the order in which they came.

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
  await turn(signal);
  try {
    started();
    return await send(photo, query, signal);
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

async function send(photo, query, signal) {
  try {
    await photo.slice(0, 1).arrayBuffer();
  } catch {
    throw new Trouble(UNREADABLE);
  }
  let answer;
  try {
    answer = await fetch(`/api/caption?${new URLSearchParams(query)}`, {
      method: "POST",
      body: photo,
      signal,
    });
  } catch (error) {
    throw signal.aborted ? error : new Trouble(UNREACHABLE);
  }
  const said = await answer.json().catch(() => ({}));
  signal.throwIfAborted();
  if (answer.ok && said.caption) return said;
  const seconds = Number(answer.headers.get("Retry-After"));
  throw new Trouble(said.error ?? UNREACHABLE, seconds > 0 ? seconds : null);
}
