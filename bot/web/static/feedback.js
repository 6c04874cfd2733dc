// Whether a caption is good, and what would be right. The server says whether it keeps that; if it
// does not, nobody is asked.

import { inBytes, Trouble } from "./api.js";
import { here, mark } from "./language.js";
import { say } from "./say.js";
import * as token from "./token.js";

const LONGEST = 200; // characters; the server takes no longer text
const THANKS_STAY = 8000; // milliseconds
const asks = document.body.dataset.asks === "yes";

// A record has in `feedback` what was said of its caption: { caption, verdict }, and in `edited` what
// a person made of the caption, if anything.
export class Feedback {
  #entry;
  #record;
  #save;
  #box = null;
  #asked = null; // the caption that the form is about; null if the form is closed
  #offered = false; // whether the form is about what a person made of the caption
  #last = Promise.resolve(); // what is said arrives in its order
  #thanksTimer = 0;

  constructor(entry, record, save) {
    if (!asks) return;
    this.#entry = entry;
    this.#record = record;
    this.#save = save;
    this.#box = document.getElementById("feedback").content.cloneNode(true).firstElementChild;
    entry.querySelector(".actions").after(this.#box);
    const on = (selector, event, act) => this.#part(selector).addEventListener(event, act);
    on(".good", "click", () => this.#press("good"));
    on(".bad", "click", (event) => this.#press("bad", event.pointerType !== "touch"));
    on("form", "submit", (event) => this.#send(event));
    on("form", "keydown", (event) => this.#typed(event));
    on(".no-correction", "click", () => this.#skip());
    // Whoever edits a caption in the thread may send what they wrote.
    entry.addEventListener("edited", ({ detail }) => this.#offer(detail.after));
  }

  // Shows what was said of the caption that is shown now.
  show() {
    if (!this.#box) return;
    const caption = shown(this.#record.answer);
    this.#box.hidden = !caption;
    if (this.#asked !== caption || (this.#offered && !this.#record.edited)) this.#close();
    // A thumb would be about the bot's caption, which is not there any more.
    this.#part(".thumbs").hidden = Boolean(this.#record.edited && !this.#verdict);
    for (const verdict of ["good", "bad"]) {
      this.#part(`.${verdict}`).setAttribute("aria-pressed", String(this.#verdict === verdict));
    }
  }

  get #verdict() {
    const { answer, feedback } = this.#record;
    return feedback?.caption === shown(answer) ? (feedback?.verdict ?? null) : null;
  }

  #part(selector) {
    return this.#box.querySelector(selector);
  }

  // A second press takes the first one back.
  async #press(verdict, focus) {
    const now = this.#verdict === verdict ? null : verdict;
    this.#close();
    if (now === "bad") this.#open("what_is_right", shown(this.#record.answer), focus);
    const done = await this.#tell(now);
    if (done && now === "good") this.#note(say("thanks"));
  }

  #offer(text) {
    const caption = shown(this.#record.answer);
    const isNew = text !== caption && text.length <= LONGEST;
    this.#close();
    if (!caption || !isNew) return;
    this.#open("send_correction", text, false);
    this.#offered = true;
  }

  async #send(event) {
    event.preventDefault();
    const text = this.#part("textarea").value.trim();
    if (!text || text === this.#asked) return this.#skip();
    const telling = this.#tell("bad", text);
    this.#leaveForm();
    if (await telling) this.#note(say("thanks"));
  }

  #skip() {
    this.#leaveForm();
    if (this.#verdict) this.#note(say("thanks"));
  }

  // A correction is one line, so Enter sends it; while a word is being composed it ends that.
  #typed(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && event.target.matches("textarea")) {
      event.preventDefault();
      this.#part("form").requestSubmit();
    } else if (event.key === "Escape") {
      this.#skip();
    }
  }

  #open(title, text, focus) {
    this.#asked = shown(this.#record.answer);
    this.#note();
    this.#part(".asked").textContent = say(title);
    const field = mark(this.#part("textarea"), this.#record.answer.language);
    field.value = text;
    this.#part("form").hidden = false;
    this.#part("form").scrollIntoView({ block: "nearest" });
    if (!focus) return; // on a phone the keyboard would cover the photo
    field.focus();
    field.setSelectionRange(text.length, text.length);
  }

  #close() {
    this.#asked = null;
    this.#offered = false;
    this.#part("form").hidden = true;
  }

  #leaveForm() {
    const inside = this.#part("form").contains(document.activeElement);
    this.#close();
    if (inside) (this.#part(".thumbs").hidden ? this.#entry : this.#part(".bad")).focus();
  }

  // Tells the server what is said now; returns whether it knows.
  async #tell(verdict, correction) {
    const record = this.#record;
    const { answer, feedback: before } = record;
    const now = verdict && { caption: shown(answer), verdict };
    record.feedback = now;
    this.show();
    this.#note();
    const said = {
      photo_sha256: answer.photo_sha256,
      caption: shown(answer),
      language: answer.language,
      verdict,
      ...(correction && { correction }),
    };
    const turn = this.#last.then(() => send(said));
    this.#last = turn.catch(() => {});
    try {
      await turn;
      record.feedback = now;
      return true;
    } catch (trouble) {
      record.feedback = before;
      this.#close();
      this.#note(trouble instanceof Trouble ? trouble.message : say("page_failed", { error: trouble }));
      return false;
    } finally {
      if (this.#box.isConnected) this.#save(); // or Clear would be undone
      this.show();
    }
  }

  #note(text = "") {
    clearTimeout(this.#thanksTimer);
    const thanks = this.#part(".thanks");
    thanks.textContent = text;
    if (text) this.#thanksTimer = setTimeout(() => this.#note(), THANKS_STAY);
  }
}

// The caption without its doubt, or the name that replaces it; empty if nothing can be said of it.
function shown(answer) {
  const caption = answer?.alt_text ?? "";
  return answer?.photo_sha256 && caption.length <= LONGEST ? caption : "";
}

async function send(said) {
  const since = performance.now();
  for (;;) {
    const held = token.held();
    const answer = await post(said, held);
    if (answer.ok) return;
    const { error } = await answer.json().catch(() => ({}));
    if (answer.status !== 401 || !(await token.replaced(held, error, since))) {
      throw new Trouble(error ?? say("unreachable"));
    }
  }
}

async function post(said, held) {
  const headers = { "Content-Type": "application/json" };
  if (held) headers.Authorization = `Bearer ${inBytes(held)}`;
  const body = JSON.stringify(said);
  try {
    return await fetch(`/api/feedback?language=${here}`, { method: "POST", body, headers });
  } catch {
    throw new Trouble(say("unreachable"));
  }
}
