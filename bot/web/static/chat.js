// The page: photos come in by button, drop and paste; the thread is kept across reloads.

import "./about.js";
import "./bars.js";
import { Entry } from "./entry.js";
import { offerExamples } from "./examples.js";
import * as keep from "./keep.js";
import { say } from "./say.js";

const part = (id) => document.getElementById(id);
const [thread, status, choose] = [part("thread"), part("status"), part("choose")];
let entries = [];
let lastId = 0;
let atEnd = true; // whether the page follows the end of the thread as it grows

function add(record) {
  lastId = Math.max(lastId, record.id);
  const entry = new Entry(record, keep.put);
  entries.push(entry);
  thread.append(entry.element);
  tidy();
}

function send(files) {
  for (const photo of files) {
    const id = Math.max(lastId + 1, Date.now());
    const record = { id, name: photo.name, photo, answer: null, trouble: null, turn: 0, said: [] };
    keep.put(record);
    atEnd = true;
    add(record);
  }
}

function clear() {
  for (const entry of entries) entry.leave();
  entries = [];
  thread.replaceChildren();
  keep.empty();
  tidy();
  choose.focus();
  status.textContent = say("cleared");
}

function tidy() {
  part("empty").hidden = part("clear").hidden = true;
  part(entries.length ? "clear" : "empty").hidden = false;
}

function takeFrom(transfer, event) {
  if (!transfer?.files.length) return;
  event.preventDefault();
  send(transfer.files);
}

function chooseWith(button, input) {
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    send(input.files);
    input.value = "";
  });
}

function stayAtTheEnd() {
  const page = document.documentElement;
  let last = 0;
  addEventListener("scroll", () => {
    const near = page.scrollTop + page.clientHeight > page.scrollHeight - 100;
    // Only scrolling up leaves the end; a photo that loads moves the end itself.
    atEnd = near || (atEnd && page.scrollTop >= last);
    last = page.scrollTop;
  });
  thread.addEventListener("click", () => (atEnd = false), { capture: true });
  new ResizeObserver(() => atEnd && entries.length && page.scrollTo(0, page.scrollHeight)).observe(thread);
}

function listenForDrops() {
  const dragging = (on) => document.body.classList.toggle("dragging", on);
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => carriesFiles(event) && dragging(true));
  addEventListener("dragleave", (event) => event.relatedTarget ?? dragging(false));
  addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("drop", (event) => {
    dragging(false);
    takeFrom(event.dataTransfer, event);
  });
}

chooseWith(choose, part("files"));
chooseWith(part("take"), part("camera"));
offerExamples(send);
listenForDrops();
stayAtTheEnd();
addEventListener("paste", (event) => takeFrom(event.clipboardData, event));
part("clear").addEventListener("click", clear);

const kept = await keep.all();
const here = new Set(entries.map((entry) => entry.id)); // photos that came meanwhile
for (const record of kept) if (!here.has(record.id)) add(record);
