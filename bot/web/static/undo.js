// Offers to undo the last removal, until the person closes the offer or sends the next photo.

import { announce } from "./announce.js";
import { say } from "./say.js";

const part = (id) => document.getElementById(id);
const bar = part("undo");
let take = null;

// `act` brings back what was removed.
export function offer(sentence, act) {
  take = act;
  part("undo-text").textContent = sentence;
  bar.hidden = false;
  announce(`${sentence} ${say("undoable")}`);
}

export function forget() {
  take = null;
  if (bar.contains(document.activeElement)) part("choose").focus();
  bar.hidden = true;
}

function undo() {
  const act = take;
  forget();
  act?.();
}

part("undo-now").addEventListener("click", undo);
part("undo-close").addEventListener("click", forget);
addEventListener("keydown", (event) => {
  const isUndo = (event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z";
  // In a field of text, and in a dialog, the keys have another meaning.
  if (!isUndo || !take || event.target.closest("dialog, input, textarea, [contenteditable]")) return;
  event.preventDefault();
  undo();
});
