// Whether the server can be reached. While it cannot, the line of photos is held, and one poll for
// the whole page finds out when to go on.

import * as line from "./line.js";

const READY = "/readyz"; // also refuses while a server is about to stop or cannot caption yet
const [FIRST, LONGEST] = [1000, 15_000]; // pauses between polls, in milliseconds
const PATIENCE = 5000; // milliseconds for the answer to a poll
const OWN_MACHINE = /^(localhost|127\.[\d.]+|\[::1\])$/; // can be reached without any network

let away = false;
let confirmed = false; // by more than the one request that failed
let pause = 0; // grows until a photo gets an answer
let timer = 0;
let polling = false;
const listeners = [];

export const isAway = () => away;

// Whether the last outage was more than one request that failed, perhaps for a reason of its own.
export const wasConfirmed = () => confirmed;

// Calls back with whether the server is away, and whether it answered again.
export const onChange = (listener) => listeners.push(listener);

// A request did not reach the server. `isSure`: the browser is offline, or the server is about to
// stop.
export function began({ isSure = !navigator.onLine } = {}) {
  if (away) return;
  away = true;
  confirmed = isSure;
  line.hold();
  schedule();
  tell();
}

// The server has answered a request.
export function answered() {
  pause = 0;
}

// Polls now, and not only after the pause.
export function hurry() {
  if (away) poll();
}

function schedule() {
  clearTimeout(timer);
  pause = Math.min(LONGEST, pause ? 2 * pause : FIRST);
  if (mayPoll()) timer = setTimeout(poll, pause);
}

function mayPoll() {
  const isConnected = navigator.onLine || OWN_MACHINE.test(location.hostname);
  return isConnected && document.visibilityState === "visible";
}

async function poll() {
  clearTimeout(timer);
  if (polling) return;
  polling = true;
  const waits = !line.isEmpty();
  const isBack = !waits || (await isOver());
  polling = false;
  if (isBack) return ended(waits);
  confirmed = true;
  schedule();
}

// Whether the server says that it can caption photos; for that the web chat needs no database.
export async function isOver() {
  try {
    const answer = await fetch(READY, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    return answer.status < 500 || (await answer.json()).status === "no database";
  } catch {
    return false;
  }
}

function ended(isBack) {
  away = false;
  tell(isBack);
  line.goOn();
}

function tell(isBack = false) {
  for (const listener of listeners) listener(away, isBack);
}

function resume() {
  if (!away) return;
  if (mayPoll()) poll();
  else clearTimeout(timer);
}

addEventListener("online", resume);
addEventListener("offline", resume);
document.addEventListener("visibilitychange", resume);
