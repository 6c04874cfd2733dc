// Edits a caption in place.

import { mark } from "./language.js";

// Puts a field in the place of an entry's sentence. `done` is called once: with the text that is to be
// saved, in one line, or with null. Returns a function that cancels.
export function edit(entry, { text, label, language, done }) {
  const form = document.getElementById("edit").content.cloneNode(true).firstElementChild;
  const field = mark(form.querySelector("textarea"), language);
  const end = (result) => {
    if (!form.isConnected) return;
    form.remove();
    entry.classList.remove("editing");
    done(result);
  };
  const save = () => end(field.value.replace(/\s+/gu, " ").trim());
  const cancel = () => end(null);

  field.value = text;
  field.setAttribute("aria-label", label);
  field.addEventListener("input", () => grow(field));
  field.addEventListener("keydown", (event) => {
    // While an input method is open, its keys are its own; Safari says so only by the number.
    if (event.isComposing || event.keyCode === 229) return;
    const act = { Enter: save, Escape: cancel }[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    save();
  });
  form.querySelector(".cancel").addEventListener("click", cancel);

  entry.classList.add("editing");
  entry.querySelector(".said").after(form);
  grow(field);
  field.focus();
  field.setSelectionRange(text.length, text.length);
  showWhole(form, field);
  return cancel;
}

// The page follows the end of the thread when that grows, and does so first. Where the window is too
// low for the buttons too, the field is shown.
function showWhole(form, field) {
  const observer = new ResizeObserver(() => {
    observer.disconnect();
    for (const part of [form, field]) part.scrollIntoView({ block: "nearest" });
  });
  observer.observe(form);
}

// For browsers that do not know `field-sizing`.
function grow(field) {
  if (CSS.supports("field-sizing", "content")) return;
  field.style.setProperty("height", "auto");
  const borders = field.offsetHeight - field.clientHeight;
  field.style.setProperty("height", `${field.scrollHeight + borders}px`);
}
