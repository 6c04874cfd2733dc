// The languages of the page and of its captions, and the switch between the page's.

import * as keep from "./keep.js";

const YEAR = 31_536_000; // seconds
const PATIENCE = 1000; // milliseconds
const choice = document.getElementById("language");

export const here = document.documentElement.lang;

const option = (code) => [...choice.options].find(({ value }) => value === code);

// Says in which language, and so in which direction, an element's text is. Answers that an earlier
// version of the page stored are in English.
export function mark(element, code = "en") {
  element.lang = code;
  element.dir = option(code)?.dir ?? "auto";
  return element;
}

// Returns a language's own name.
export function nameOf(code = "en") {
  return option(code)?.label ?? code;
}

// Returns a text for a place in a sentence that may be in another language.
export function quote(text, code) {
  const quoted = mark(document.createElement("bdi"), code);
  quoted.textContent = text;
  return quoted;
}

// Opens the page in another language. The cookie has the server choose it the next time, too; a
// browser that keeps none is asked for it in the address.
async function open(code) {
  document.cookie = `language=${code}; path=/; max-age=${YEAR}; samesite=lax`;
  const kept = document.cookie.split("; ").includes(`language=${code}`);
  // When it is read, what was being stored is stored; a store that hangs is not waited for.
  await Promise.race([keep.all(), new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
  location.replace(kept ? location.pathname : `?language=${code}`);
}

choice.addEventListener("change", () => open(choice.value));
if (choice.value !== here) open(choice.value); // it was chosen before this script had come
