// One photo or video in the thread, with its caption and buttons.

import { Actions } from "./actions.js";
import { announce } from "./announce.js";
import { Trouble } from "./api.js";
import { Asking } from "./asking.js";
import { plain, shown, whole } from "./caption.js";
import { enlarge } from "./enlarge.js";
import { Feedback } from "./feedback.js";
import { here, mark, quote } from "./language.js";
import { Looking } from "./looking.js";
import { Note } from "./note.js";
import { Picture } from "./picture.js";
import * as progress from "./progress.js";
import * as records from "./records.js";
import { nodes, say } from "./say.js";
import { Scenes } from "./scenes.js";

export class Entry {
  element;
  #record;
  #owner;
  #actions;
  #number = 1; // of this photo, and of all photos in the thread
  #total = 1;
  #leaving = new AbortController();
  #feedback;
  #asking;
  #doing = ""; // the name of the sentence for what it does; empty while it does nothing
  #looking;
  #note;
  #picture;
  #scenes;

  // The owner has functions that take an entry: `save` its record, `changed` when its buttons have
  // changed, `remove` it.
  constructor(record, owner) {
    this.#record = record;
    this.#owner = owner;
    const template = document.getElementById("entry").content;
    this.element = template.cloneNode(true).firstElementChild;
    this.#asking = new Asking(record.photo, this.#leaving.signal, {
      waiting: () => this.#busy(say("waiting")),
      started: () => this.#busy(say(this.#doing)),
      away: () => this.#busy(say("unreachable")),
      refused: (trouble) => this.#refused(trouble),
      countdown: (seconds) => (this.#part(".countdown").textContent = say("countdown", { seconds })),
    });
    this.#looking = new Looking(this.#part(".glass"), this.#part(".look"));
    this.#note = new Note(this.#part(".note"));
    this.#identify();
    this.#part(".no-preview b").textContent = this.name;
    this.#scenes = new Scenes(this.#part(".scenes"));
    this.#picture = new Picture(this.element, record, () => {
      this.#showScenes();
      this.#allow();
    });
    this.#actions = new Actions(this.element, record, {
      another: () => this.another(),
      look: () => this.look(),
      retry: () => this.retry(),
      save: () => this.#owner.save(this),
      refresh: () => this.#show(),
      note: (...pieces) => this.note(...pieces),
      clearNote: () => this.#note.clear(),
    });
    const on = (name, act) => this.#part(name).addEventListener("click", act);
    this.#feedback = new Feedback(this.element, record, () => this.#owner.save(this));
    on(".remove", () => this.remove());
    for (const name of [".enlarge", "img"]) on(name, () => this.enlarge());
    this.#show();
  }

  get id() {
    return this.#record.id;
  }

  get record() {
    return this.#record;
  }

  get name() {
    return this.#record.name || say(this.#record.isVideo ? "video" : "photo");
  }

  // Whether Retry can help: the photo has no caption for now, or waits to be sent again.
  get canRetry() {
    return this.#doing ? this.#asking.isPaused : records.canRetry(this.#record);
  }

  // Whether there is no other caption in the page's language.
  get exhausted() {
    return this.#record.exhausted === here;
  }

  // Says which photo of how many this is.
  place(number, total) {
    [this.#number, this.#total] = [number, total];
    const values = { number, name: this.name };
    this.#part("h2").textContent = say(this.#record.isVideo ? "video_heading" : "photo_heading", values);
    this.#part(".remove").setAttribute("aria-label", say(this.#record.isVideo ? "remove_video" : "remove", values));
    this.#part(".enlarge").setAttribute("aria-label", say("enlarge", values));
  }

  // Asks about a photo that was not answered yet.
  start() {
    if (records.isOpen(this.#record)) this.#first();
  }

  another() {
    if (this.#doing || this.exhausted || this.#isStory) return;
    this.#work("working_again", () => records.nextCaption(this.#record, this.#asking));
  }

  look() {
    if (this.#looking.isOpen) this.#looking.close();
    else this.#looking.open(this.#record);
  }

  retry() {
    if (this.#doing) this.#asking.hurry();
    else if (this.canRetry) this.#first();
  }

  remove() {
    this.#owner.remove(this);
  }

  enlarge() {
    enlarge(this.#part("img"), this.name, this.#part(".enlarge"));
  }

  // Shows and announces what became of a click.
  note(...pieces) {
    this.#note.show(pieces, { isBrief: true });
    announce(...pieces.map((piece) => piece.cloneNode?.(true) ?? piece));
  }

  // Stops all work for this photo; the element can be removed then.
  leave() {
    this.#leaving.abort();
    this.#actions.leave();
    progress.left(this);
    this.#looking.close();
    this.#picture.leave();
  }

  #part(selector) {
    return this.element.querySelector(selector);
  }

  get #isStory() {
    return Boolean(this.#record.answer?.scenes);
  }

  // Its buttons say to which photo they belong, and its player what it shows.
  #identify() {
    const [heading, actions, note] = ["h2", ".actions", ".note"].map((name) => this.#part(name));
    [heading.id, actions.id, note.id] = ["photo", "actions", "note"].map((name) => `${name}-${this.id}`);
    this.#part(".said").id = `said-${this.id}`;
    this.#part(".player").setAttribute("aria-describedby", `said-${this.id}`);
    this.element.setAttribute("aria-labelledby", heading.id);
    for (const button of actions.querySelectorAll("button")) {
      button.setAttribute("aria-describedby", heading.id);
    }
    this.#part(".another").setAttribute("aria-describedby", `${heading.id} ${note.id}`);
  }

  #first() {
    this.#record.trouble = null;
    const doing = this.#record.isVideo ? "working_video" : "working";
    this.#work(doing, () => records.firstCaption(this.#record, this.#asking));
  }

  // Does something for this photo, and shows, stores and announces how it ended.
  async #work(doing, act) {
    this.#doing = doing;
    this.element.classList.toggle("again", Boolean(this.#record.answer));
    progress.began(this);
    const trouble = await act().catch((error) => error);
    if (this.#leaving.signal.aborted) return;
    this.#doing = "";
    this.element.classList.remove("again");
    const isKnown = !trouble || trouble instanceof Trouble;
    this.#end(isKnown ? trouble : new Trouble(say("page_failed", { error: trouble })));
  }

  #end(trouble) {
    if (trouble && !this.#record.answer) records.setTrouble(this.#record, trouble);
    this.#owner.save(this);
    this.#show();
    const message = trouble?.message ?? (this.exhausted ? say("nothing_else") : null);
    if (message && this.#record.answer) this.#note.show([message]);
    else if (this.#looking.isOpen) this.#looking.open(this.#record);
    progress.ended(this, !trouble, this.#announced(message));
  }

  // Returns what is announced of this photo: a message, or its caption.
  #announced(message) {
    const text = message ? quote(message, here) : quote(whole(this.#record), this.#record.answer.language);
    const name = document.createElement("bdi");
    name.textContent = this.name;
    return nodes(this.#record.isVideo ? "video_announced" : "photo_announced", { number: this.#number, total: this.#total, name, text });
  }

  #busy(doing) {
    this.element.classList.remove("bad");
    this.element.setAttribute("aria-busy", "true");
    this.#part(".doing").textContent = doing;
    this.#part(".countdown").textContent = "";
    if (!this.#record.answer) this.#part(".said").textContent = "";
    this.#note.clear();
    this.#allow();
  }

  #refused({ message }) {
    this.element.setAttribute("aria-busy", "false");
    if (this.#record.answer) {
      this.#note.show([message]);
    } else {
      this.element.classList.add("bad");
      mark(this.#part(".said"), here).textContent = message;
    }
    if (progress.isFew()) announce(...this.#announced(message));
    this.#allow();
  }

  #show() {
    const { answer, trouble } = this.#record;
    const said = mark(this.#part(".said"), (answer ?? this.#record).language);
    said.replaceChildren(...(answer ? shown(this.#record) : [trouble ?? ""]));
    const seen = answer && plain(this.#record);
    const language = answer?.language ?? "en";
    const name = say(this.#record.isVideo ? "your_video" : "your_photo", { name: this.#record.name });
    this.#picture.describe(seen || name, seen ? language : here, name); // the page's direction stays
    this.#showScenes();
    this.element.classList.toggle("answered", Boolean(answer));
    this.element.classList.toggle("bad", Boolean(trouble));
    this.element.setAttribute("aria-busy", "false");
    this.#part(".countdown").textContent = "";
    this.#note.rest(this.exhausted ? [say("nothing_else")] : []);
    this.#actions.refresh();
    this.#feedback.show();
    this.#allow();
  }

  #showScenes() {
    const { answer } = this.#record;
    this.#picture.subtitle(answer?.scenes ?? null, answer?.language);
    this.#scenes.show(answer?.scenes, this.#picture.player);
  }

  // Switches buttons off that cannot help now.
  #allow() {
    const retry = this.#part(".retry");
    if (!this.canRetry && document.activeElement === retry) this.element.focus();
    retry.hidden = !this.canRetry;
    this.#part(".actions").hidden = !this.canRetry && !this.#record.answer;
    this.#part(".another").hidden = this.#isStory;
    this.#part(".look").hidden = this.#isStory && !this.#picture.player; // no frame can be drawn
    this.#part(".another").setAttribute("aria-disabled", Boolean(this.#doing) || this.exhausted);
    this.#owner.changed(this);
  }
}
