// Photos come in: by button, camera, folder, drop and paste, or shared by another program.

import { announce } from "./announce.js";
import { droppedFolders, MOST, photosIn, photosOf } from "./folders.js";
import { isOther } from "./kinds.js";
import limits from "./limits.js";
import { inMegabytes, say } from "./say.js";
import { shared } from "./shared.js";
import { isTooLarge, smaller } from "./shrink.js";
import { offerWebcam } from "./webcam.js";

const TOGETHER = 20; // photos that are sent before the next ones were looked at
const NOTE_STAYS = 20_000; // milliseconds
const NOT_SHARED = "#not-shared"; // the server's answer where no service worker takes what is shared
const FIELDS = "input, textarea, [contenteditable]";

const part = (id) => document.getElementById(id);
const note = part("intake-note");
let send;
let line = Promise.resolve(); // photos are sent in the order in which they came
let noteTimer = 0;
let takeBack = () => {};
let isOurs = false; // whether what is being dragged is a part of this page

// Has every photo that comes in sent; `deliver` takes an array of files.
export function listen(deliver) {
  send = deliver;
  chooseWith(part("choose"), part("files"), several);
  chooseWith(part("take"), part("camera"), several);
  if ("webkitdirectory" in part("folder")) chooseWith(part("choose-folder"), part("folder"), photosOf);
  else part("choose-folder").remove();
  offerWebcam((photo) => bring({ photos: [photo] }));
  listenForDrops();
  addEventListener("paste", paste);
  takeShared();
}

// Of several files, those that are surely no pictures stay here. The server refuses a single one, and
// says why.
function several(files) {
  const all = [...files];
  if (all.length === 1) return { photos: all };
  const photos = all.filter((file) => !isOther(file));
  return { photos, others: all.length - photos.length };
}

function bring(found) {
  tell();
  const before = line.catch(() => {}); // photos that failed stop no others
  line = before.then(async () => {
    const { photos, others = 0, more = false } = await found;
    const areSmaller = await sendAll(photos);
    const said = [];
    if (more) said.push(say("first_of_folder", { number: MOST }));
    if (others) said.push(say("not_photos", { number: others }));
    if (!photos.length && !others) said.push(say("no_photos"));
    if (areSmaller) said.push(say("made_smaller", limitsInWords()));
    // A sentence about something else, which came meanwhile, stays.
    if (said.length || note.textContent === say("making_smaller")) tell(said.join(" "));
  });
}

// Returns whether one of the photos had to be made smaller.
async function sendAll(photos) {
  let areSmaller = false;
  let ready = [];
  const sendReady = () => ready.length && send(ready.splice(0));
  for (const photo of photos) {
    let fitting = photo;
    if (await isTooLarge(photo)) {
      await sendReady();
      tell(say("making_smaller")); // which takes seconds if the photo is huge
      fitting = await smaller(photo);
      areSmaller ||= fitting !== photo;
    }
    ready.push(fitting);
    if (ready.length === TOGETHER) await sendReady();
  }
  await sendReady();
  return areSmaller;
}

function limitsInWords() {
  return { megabytes: inMegabytes(limits.bytes), million: Math.round(limits.pixels / 1e5) / 10 };
}

// Shows a sentence above the buttons, and has it read aloud; without one, nothing.
function tell(sentence = "") {
  clearTimeout(noteTimer);
  takeBack();
  note.hidden = !sentence;
  note.textContent = sentence;
  if (!sentence) return;
  takeBack = announce(sentence);
  noteTimer = setTimeout(tell, NOTE_STAYS);
}

function chooseWith(button, input, found) {
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    if (input.files.length) bring(found(input.files));
    input.value = "";
  });
}

function listenForDrops() {
  const dragging = (on) => document.body.classList.toggle("dragging", on);
  const carriesFiles = (event) => !isOurs && event.dataTransfer?.types.includes("Files");
  addEventListener("dragstart", () => (isOurs = true));
  addEventListener("dragend", () => (isOurs = false));
  addEventListener("dragenter", (event) => carriesFiles(event) && dragging(true));
  addEventListener("dragleave", (event) => event.relatedTarget ?? dragging(false));
  addEventListener("dragover", (event) => {
    if (carriesFiles(event)) event.dataTransfer.dropEffect = "copy";
    else if (isInField(event)) return;
    event.preventDefault(); // whatever it is: the browser would leave the page for an address
  });
  addEventListener("drop", (event) => {
    dragging(false);
    drop(event);
    isOurs = false; // what was dragged may be gone, and then its drag has no end
  });
}

function drop(event) {
  const { dataTransfer: transfer } = event;
  if (!transfer || (isInField(event) && !transfer.files.length)) return;
  event.preventDefault();
  if (isOurs) return;
  const folders = droppedFolders(transfer);
  if (folders) bring(photosIn(folders));
  else if (transfer.files.length) bring(several(transfer.files));
  else tell(say("not_an_address"));
}

function paste(event) {
  const { clipboardData: transfer } = event;
  const isEmpty = !transfer?.types.length;
  if (isEmpty || (isInField(event) && !transfer.files.length)) return;
  event.preventDefault();
  if (transfer.files.length) bring(several(transfer.files));
  else tell(say("not_an_address"));
}

function isInField({ target }) {
  return target instanceof Element && Boolean(target.closest(FIELDS));
}

async function takeShared() {
  if (location.hash === NOT_SHARED) {
    history.replaceState(null, "", location.pathname + location.search);
    tell(say("share_missed"));
  }
  const photos = await shared();
  if (photos.length) bring({ photos });
}
