// One photo in the thread, with its caption and buttons.

import { ask, Trouble } from "./api.js";
import { Feedback } from "./feedback.js";
import { fillGlass } from "./glass.js";
import { here, mark, quote } from "./language.js";
import { nodes, say } from "./say.js";

const ASK = { explain: 1, alternatives: 2 };
const AUTOMATIC_RETRIES = 5;
const REMEMBERED = 8; // captions that the next one must differ from
const CONSIDERED = 6;
const NOTE_STAYS = 8000; // milliseconds

// A record is what the browser stores: { id, name, photo, answer, trouble, language, turn, said };
// the language is that of the trouble.
export class Entry {
  element;
  #record;
  #save;
  #leaving = new AbortController();
  #working = false;
  #glass = null;
  #feedback;
  #hurry = null; // ends the wait for the next attempt
  #url;
  #noteTimer = 0;

  constructor(record, save) {
    this.#record = record;
    this.#save = () => save(record);
    const template = document.getElementById("entry").content;
    this.element = template.cloneNode(true).firstElementChild;
    this.element.setAttribute("aria-label", record.name || say("photo"));
    this.#showPhoto();
    const on = (name, act) => this.#part(name).addEventListener("click", act);
    on(".another", () => this.#another());
    on(".look", () => this.#toggleGlass());
    on(".alt-text", () => this.#copy(altText(this.#record.answer), "alt_text_copied"));
    on(".copy", () => this.#copy(this.#record.answer.text, "copied"));
    on(".retry", () => this.#retry());
    this.#feedback = new Feedback(this.element, record, this.#save);
    if (record.answer || record.trouble) this.#show();
    else this.#first();
  }

  get id() {
    return this.#record.id;
  }

  // Stops all work for this photo; the element can be removed then.
  leave() {
    this.#leaving.abort();
    this.#closeGlass();
    URL.revokeObjectURL(this.#url);
  }

  #part(selector) {
    return this.element.querySelector(selector);
  }

  #showPhoto() {
    const image = this.#part("img");
    this.#url = URL.createObjectURL(this.#record.photo);
    image.addEventListener("error", () => {
      image.hidden = true;
      this.#part(".no-preview").hidden = false;
      this.#part(".no-preview b").textContent = this.#record.name || say("photo");
    });
    image.src = this.#url;
    image.alt = say("your_photo", { name: this.#record.name });
    mark(image, here);
  }

  async #first() {
    const answer = await this.#ask(ASK, "working");
    if (!answer) return;
    this.#record.answer = answer;
    this.#record.said = [answer.caption];
    this.#done();
  }

  async #another() {
    if (this.#working) return;
    const record = this.#record;
    const query = { ...ASK, another: record.turn + 1, shown: record.said.join("\n") };
    this.element.classList.add("again");
    const answer = await this.#ask(query, "working_again");
    this.element.classList.remove("again");
    if (!answer) return;
    record.turn += 1;
    if (answer.text === say("nothing_else")) {
      this.#note(say("nothing_else"));
    } else {
      const before = sentences(record.answer);
      const alternatives = [...answer.alternatives, ...before].slice(0, 2 * CONSIDERED);
      record.answer = { ...answer, alternatives };
      record.said = [...record.said, answer.caption].slice(-REMEMBERED);
    }
    this.#done();
  }

  #retry() {
    if (this.#working) return this.#hurry();
    this.#record.trouble = null;
    this.#first();
  }

  #done() {
    this.#record.trouble = null;
    this.#save();
    this.#show();
    if (this.#glass) this.#openGlass();
  }

  // Returns the server's answer, or null if it refused or the photo was removed.
  async #ask(query, doing) {
    this.#busy("waiting");
    try {
      for (let retries = 0; ; retries += 1) {
        try {
          return await ask(this.#record.photo, query, this.#leaving.signal, () => this.#busy(doing));
        } catch (trouble) {
          if (!trouble.retryAfter || retries === AUTOMATIC_RETRIES) throw trouble;
          await this.#wait(trouble);
        }
      }
    } catch (trouble) {
      if (this.#leaving.signal.aborted) return null;
      const message = trouble instanceof Trouble ? trouble.message : say("page_failed", { error: trouble });
      if (this.#record.answer) {
        this.#note(message);
      } else {
        Object.assign(this.#record, { trouble: message, language: here });
        this.#save();
      }
      this.#show();
      return null;
    } finally {
      this.#working = false;
      this.#part(".another").setAttribute("aria-disabled", "false");
    }
  }

  #busy(doing) {
    this.#working = true;
    if (document.activeElement === this.#part(".retry")) this.element.focus();
    this.element.classList.remove("bad");
    this.element.setAttribute("aria-busy", "true");
    this.#part(".another").setAttribute("aria-disabled", "true");
    this.#part(".doing").textContent = say(doing);
    if (!this.#record.answer) this.#part(".said").textContent = "";
    this.#note();
  }

  // Counts down to the next attempt; the button Retry ends the wait.
  async #wait(trouble) {
    const countdown = this.#part(".countdown");
    this.element.setAttribute("aria-busy", "false");
    if (this.#record.answer) {
      this.#note(trouble.message);
    } else {
      this.element.classList.add("bad");
      mark(this.#part(".said"), here).textContent = trouble.message;
    }
    const { signal } = this.#leaving;
    let over = false;
    const hurried = new Promise((resolve) => {
      this.#hurry = () => resolve((over = true));
      signal.addEventListener("abort", this.#hurry, { once: true });
    });
    for (let left = Math.ceil(trouble.retryAfter); left > 0 && !over; left -= 1) {
      countdown.textContent = say("countdown", { seconds: left });
      await Promise.race([new Promise((resolve) => setTimeout(resolve, 1000)), hurried]);
    }
    countdown.textContent = "";
    signal.throwIfAborted();
    this.#busy("waiting");
  }

  #show() {
    const { answer, trouble, language } = this.#record;
    const said = mark(this.#part(".said"), (answer ?? { language }).language);
    said.replaceChildren(...(answer ? sentenceAndDoubt(answer) : [trouble]));
    this.element.classList.toggle("answered", Boolean(answer));
    this.element.classList.toggle("bad", !answer);
    this.element.setAttribute("aria-busy", "false");
    this.#feedback.show();
  }

  #toggleGlass() {
    if (this.#glass) this.#closeGlass();
    else this.#openGlass();
  }

  async #openGlass() {
    const [box, button] = [this.#part(".glass"), this.#part(".look")];
    this.#closeGlass();
    const opening = (this.#glass = { stop: () => {} });
    const { answer, photo } = this.#record;
    const glass = await fillGlass(box, photo, answer, considered(answer), isSaid(answer));
    if (this.#glass !== opening) return;
    this.#glass = glass;
    button.setAttribute("aria-expanded", "true");
    box.hidden = false;
    box.scrollIntoView({ block: "nearest" });
    glass.start();
  }

  #closeGlass() {
    this.#glass?.stop();
    this.#glass = null;
    this.#part(".glass").hidden = true;
    this.#part(".look").setAttribute("aria-expanded", "false");
  }

  async #copy(text, sentence) {
    const done = await copied(text);
    const quoted = quote(text, this.#record.answer.language);
    this.#note(...nodes(done ? sentence : "not_copied", { text: quoted }));
  }

  #note(...pieces) {
    clearTimeout(this.#noteTimer);
    const note = this.#part(".note");
    note.replaceChildren(...pieces);
    if (!pieces.length) return;
    note.scrollIntoView({ block: "nearest" });
    this.#noteTimer = setTimeout(() => this.#note(), NOTE_STAYS);
  }
}

// The doubt is the end of the text; here it is a mark beside the sentence, without its brackets.
function sentenceAndDoubt({ text, doubt }) {
  const end = doubt ? text.lastIndexOf(doubt) : -1;
  if (end < 0) return [text];
  const before = text.slice(0, end);
  const sentence = before.replace(/\s*\p{Open_Punctuation}$/u, "");
  const inBrackets = sentence !== before;
  const pill = document.createElement("span");
  pill.className = inBrackets ? "doubt pill" : "doubt";
  pill.textContent = inBrackets ? doubt.replace(/[.。]$/, "") : doubt;
  return inBrackets ? [sentence, " ", pill] : [before, pill];
}

// An answer that an earlier version of the page stored has neither `alt_text` nor `doubt`.
function altText({ alt_text: text, caption }) {
  return text ?? caption;
}

// Whether the caption is said, and not only the name of what the photo shows.
function isSaid(answer) {
  return altText(answer) === answer.caption;
}

// The caption and its alternatives. Alternatives are in its language; those from before another
// caption was asked for have their own.
function sentences({ caption, confidence, language, alternatives }) {
  return [{ caption, confidence, language }, ...alternatives.map((other) => ({ language, ...other }))];
}

// The caption and its alternatives, each sentence once, the likelier first.
function considered(answer) {
  const [first, ...alternatives] = sentences(answer);
  const others = new Map(alternatives.map((other) => [other.caption, other]));
  others.delete(answer.caption);
  const all = [{ ...first, chosen: isSaid(answer) }, ...others.values()];
  return all.slice(0, CONSIDERED).sort((one, other) => other.confidence - one.confidence);
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copiedTheOldWay(text);
  }
}

// Browsers offer pages a clipboard only on https and localhost, but this works everywhere.
function copiedTheOldWay(text) {
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}
