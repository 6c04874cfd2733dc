// What the browser stores of a photo, and how it changes when the server answers.

import { after } from "./answer.js";
import { mayPass, Trouble } from "./api.js";
import { here } from "./language.js";
import limits from "./limits.js";
import { inMegabytes, say } from "./say.js";

const ASK = { explain: 1, alternatives: 2 };
const REMEMBERED = 8; // captions that the next one must differ from
const TOO_LARGE = 413; // of HTTP
const TURNS = 4; // which one click asks for, until one of them has another caption

// `turn` counts the captions that were asked for after the first, and `said` has the last of them.
export const create = (id, photo, isVideo) => ({
  id,
  name: photo.name,
  photo,
  isVideo,
  answer: null, // the API's JSON
  edited: null, // what a person made of its caption
  trouble: null, // a sentence, if there is no answer
  status: null, // of the trouble: that of HTTP, 0 without one
  language: here, // of the trouble
  turn: 0,
  said: [],
  exhausted: null, // the language in which there is no other caption
});

// Whether it has to be asked about without being told.
export const isOpen = ({ answer, trouble, status }) => !answer && (!trouble || status === 0);

export const canRetry = ({ answer, trouble, status }) =>
  !answer && Boolean(trouble) && mayPass(status);

// Takes an `Asking`, and throws what it throws. A video that the server would refuse, or a photo that
// could not be made smaller, is not sent.
export async function firstCaption(record, asking) {
  const most = record.isVideo ? limits.videoBytes : limits.bytes;
  if (record.photo.size > most) throw new Trouble(say("too_large", { megabytes: inMegabytes(most) }), TOO_LARGE);
  record.answer = await asking.answer(ASK);
  record.said = [record.answer.caption];
}

// Asks for other captions until there is one, or none is left.
export async function nextCaption(record, asking) {
  for (let turns = 0; turns < TURNS; turns += 1) {
    const query = { ...ASK, another: record.turn + 1, shown: record.said.join("\n") };
    const answer = await asking.answer(query);
    record.turn += 1;
    if (answer.text === say("nothing_else")) continue;
    record.answer = after(record.answer, answer);
    record.edited = null;
    record.said = [...record.said, answer.caption].slice(-REMEMBERED);
    return;
  }
  record.exhausted = here;
}

export function setTrouble(record, { message, status }) {
  Object.assign(record, { trouble: message, status, language: here });
}
