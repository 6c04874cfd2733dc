// How many of the photos in work are done. The page shows it for several photos. A few are announced
// one by one; of more, only how far they are. The bar is hidden from screen readers, some of which
// beep whenever one moves; the text beside it says the same.

import { announce } from "./announce.js";
import { isAway } from "./outage.js";
import { say } from "./say.js";

const FEW = 3;
const EVERY = 5000; // milliseconds between announcements of progress
const SLOW = 3000; // milliseconds after which one hears that there is something to wait for

const part = (id) => document.getElementById(id);
const [WORKING, DONE, FAILED] = ["working", "done", "failed"];
let photos = new Map(); // those in work, and those that were done since there was nothing in work
let announcedAt = 0;
let slow = 0;

const count = (state) => [...photos.values()].filter((one) => one === state).length;
const isWorking = () => count(WORKING) > 0;
// Otherwise it waits to be sent again, which was announced.
const isLooking = () =>
  !isAway() && [...photos].some(([photo, state]) => state === WORKING && !photo.canRetry);

export function began(photo) {
  if (!isWorking()) start();
  photos.set(photo, WORKING);
  show();
}

// `pieces` is what is announced of the photo, if there are few.
export function ended(photo, isGood, pieces) {
  photos.set(photo, isGood ? DONE : FAILED);
  show();
  if (isFew()) announce(...pieces);
  else if (!isWorking() || performance.now() - announcedAt >= EVERY) tell();
}

// The photo was removed.
export function left(photo) {
  photos.delete(photo);
  show();
}

// Whether each photo is announced.
export const isFew = () => photos.size <= FEW;

function start() {
  photos = new Map();
  announcedAt = performance.now();
  clearTimeout(slow);
  slow = setTimeout(() => isLooking() && isFew() && announce(say("working")), SLOW);
}

function tell() {
  announcedAt = performance.now();
  announce(sentence());
}

function sentence() {
  const failed = count(FAILED);
  const values = { done: count(DONE) + failed, total: photos.size, failed };
  return say(failed ? "progress_failed" : "progress", values);
}

function show() {
  const bar = part("progress-bar");
  part("progress").hidden = photos.size < 2 || !isWorking();
  part("progress-text").textContent = sentence();
  [bar.max, bar.value] = [Math.max(1, photos.size), photos.size - count(WORKING)];
}
