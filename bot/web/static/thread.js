// The photos on the page, in their order: added, numbered, removed, and brought back.

import { announce, hush } from "./announce.js";
import { Entry } from "./entry.js";
import * as keep from "./keep.js";
import { isVideo } from "./kinds.js";
import * as outage from "./outage.js";
import * as records from "./records.js";
import { say } from "./say.js";
import * as undo from "./undo.js";

const part = (id) => document.getElementById(id);
const [thread, retryAll, away] = [part("thread"), part("retry-all"), part("away")];
const owner = { save: ({ record }) => keep.update(record), changed: offerRetry, remove };
let entries = [];
let lastId = 0;
let coming = Promise.resolve(); // files are added in the order in which they came

// Returns the records of all photos, in their order.
export const all = () => entries.map(({ record }) => record);

// Takes the files that a person has chosen; they are added when their first bytes are read.
export async function send(photos) {
  if (!photos.length) return;
  const [before, examined] = [coming, Promise.all(photos.map(isVideo))];
  coming = before.then(() => examined);
  await before;
  const areVideos = await examined;
  undo.forget();
  if (!entries.length) hush(); // the thread is no longer empty
  add(photos.map((photo, at) => recordOf(photo, areVideos[at])));
}

// Shows the photos that this browser has kept.
export async function load() {
  const kept = await keep.all();
  // An earlier version of the page stored no kind.
  for (const record of kept) record.isVideo ??= await isVideo(record.photo);
  const here = new Set(entries.map(({ id }) => id)); // photos that came meanwhile
  add(kept.filter(({ id }) => !here.has(id)));
}

export function clear() {
  const removed = entries.map((entry) => entry.record);
  for (const entry of entries) entry.leave();
  entries = [];
  thread.replaceChildren();
  keep.empty();
  tidy();
  part("choose").focus();
  hush();
  undo.offer(say("cleared"), () => bringBack(removed, say("all_back")));
}

function remove(entry) {
  const at = entries.indexOf(entry);
  entries.splice(at, 1);
  entry.leave();
  entry.element.remove();
  keep.remove(entry.id);
  tidy();
  (entries[at]?.element ?? part("choose")).focus();
  hush();
  const { name } = entry;
  undo.offer(say("removed", { name }), () => bringBack([entry.record], say("back", { name })));
}

function bringBack(removed, sentence) {
  for (const record of removed) keep.put(record);
  add(removed).at(-1).element.focus();
  hush();
  announce(sentence);
}

function recordOf(photo, asVideo) {
  lastId = Math.max(lastId + 1, Date.now());
  const record = records.create(lastId, photo, asVideo);
  keep.put(record);
  return record;
}

function add(all) {
  const added = all.map(insert);
  tidy();
  for (const entry of added) entry.start();
  return added;
}

function insert(record) {
  lastId = Math.max(lastId, record.id);
  const entry = new Entry(record, owner);
  const behind = entries.findIndex(({ id }) => id > record.id);
  const at = behind < 0 ? entries.length : behind;
  thread.insertBefore(entry.element, entries[at]?.element ?? null);
  entries.splice(at, 0, entry);
  return entry;
}

function tidy() {
  entries.forEach((entry, at) => entry.place(at + 1, entries.length));
  part("empty").hidden = entries.length > 0;
  part("clear").hidden = !entries.length;
  offerRetry();
}

function offerRetry() {
  const isUseful = entries.filter((entry) => entry.canRetry).length > 1;
  if (!isUseful && document.activeElement === retryAll) part("choose").focus();
  retryAll.hidden = !isUseful;
}

retryAll.addEventListener("click", () => {
  for (const entry of entries) if (entry.canRetry) entry.retry();
});

let takeBack = () => {};
outage.onChange((isAway, isBack) => {
  away.hidden = !isAway;
  takeBack();
  if (isAway || isBack) takeBack = announce(say(isAway ? "unreachable" : "reachable"));
});
