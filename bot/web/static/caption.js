// What is said about a photo: by the model, or by the person who edited it.

import { here, mark } from "./language.js";
import { say } from "./say.js";

// The sentence without doubt: what is copied, and what describes the photo to those who do not see it.
export const plain = ({ edited, answer }) => edited || altText(answer);

// All of it, as in a chat.
export const whole = ({ edited, answer }) => edited || answer.text;

// The doubt, if the sentence is the model's and has one. An earlier version of the page stored none.
export const doubt = ({ edited, answer }) => (edited ? "" : (answer.doubt ?? ""));

// An answer that an earlier version of the page stored has no `alt_text`.
export function altText({ alt_text: text, caption }) {
  return text ?? caption;
}

// Whether the caption is said, and not only the name of what the photo shows.
export function isSaid(answer) {
  return altText(answer) === answer.caption;
}

// The sentence as it is shown, without its doubt.
export function sentence({ edited, answer }) {
  return edited || apart(answer).sentence.trim();
}

// The nodes of the sentence, with a mark for its doubt or for the person's hand.
export function shown({ edited, answer }) {
  if (edited) {
    const hand = mark(document.createElement("span"), here);
    hand.className = "edited";
    hand.textContent = say("edited");
    return [edited, " ", hand];
  }
  const { sentence, doubt, inBrackets } = apart(answer);
  if (!doubt) return [sentence];
  const pill = document.createElement("span");
  pill.className = inBrackets ? "doubt pill" : "doubt";
  pill.textContent = inBrackets ? doubt.replace(/[.。]$/, "") : doubt;
  return inBrackets ? [sentence, " ", pill] : [sentence, pill];
}

// The doubt is the end of the text; the sentence comes without its brackets.
function apart({ text, doubt }) {
  const end = doubt ? text.lastIndexOf(doubt) : -1;
  if (end < 0) return { sentence: text, doubt: "", inBrackets: false };
  const before = text.slice(0, end);
  const sentence = before.replace(/\s*\p{Open_Punctuation}$/u, "");
  return { sentence, doubt, inBrackets: sentence !== before };
}
