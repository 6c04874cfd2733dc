// What is said about a photo: by the model, or by the person who edited it.

import { altText } from "./answer.js";
import { sentenceAndDoubt } from "./doubt.js";
import { here, mark } from "./language.js";
import { say } from "./say.js";

// The sentence without doubt: what is copied, and what describes the photo to those who do not see it.
export const plain = ({ edited, answer }) => edited || altText(answer);

// All of it, as in a chat.
export const whole = ({ edited, answer }) => edited || answer.text;

// The doubt, if the sentence is the model's and has one.
export const doubt = ({ edited, answer }) => (edited ? "" : (answer.doubt ?? ""));

// A story has the doubt about each scene inside of it.
export const hasDoubt = (record) => {
  return Boolean(doubt(record)) || Boolean(record.answer.scenes && whole(record) !== plain(record));
};

// The nodes that show it, with a mark for the doubt or for the person's hand.
export function shown({ edited, answer }) {
  if (!edited) return sentenceAndDoubt(answer);
  const hand = mark(document.createElement("span"), here);
  hand.className = "edited";
  hand.textContent = say("edited");
  return [edited, " ", hand];
}

// The sentence as it is shown, without doubt.
export const sentence = (record) => shown(record)[0].trim();
