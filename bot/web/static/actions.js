// What one does with a caption: the row of buttons under it, and the menu at the row's end.

import { altText } from "./answer.js";
import { hasDoubt, plain, whole } from "./caption.js";
import { copied } from "./copy.js";
import { edit } from "./edit.js";
import { nameOf, quote } from "./language.js";
import { inHtml, inMarkdown } from "./markup.js";
import { Menu } from "./menu.js";
import { save } from "./save.js";
import { nodes, say } from "./say.js";
import { canShare, shared } from "./share.js";
import { canSpeak, read } from "./speech.js";
import { makeToolbar } from "./toolbar.js";
import { webvtt } from "./vtt.js";

export class Actions {
  #entry;
  #record;
  #act;
  #stopReading = () => {};
  #cancelEdit = () => {};
  #answer = null; // the one that was shown last
  #text = "";

  // `act` has what the entry does: another, look and retry; `save` stores the record, `refresh` shows
  // it, `note` says under the row what became of a click, and `clearNote` takes that back.
  constructor(entry, record, act) {
    [this.#entry, this.#record, this.#act] = [entry, record, act];
    const part = (selector) => entry.querySelector(selector);
    const on = (selector, does) => part(selector).addEventListener("click", does);
    part(".actions").setAttribute("aria-label", say("caption_of", { name: this.#name }));
    on(".another", act.another);
    on(".look", act.look);
    on(".retry", act.retry);
    on(".copy", () => this.#copy(plain(record)));
    on(".read", () => this.#readOrStop());
    on(".copy-doubt", () => this.#copy(whole(record)));
    on(".copy-html", () => this.#copySource(inHtml));
    on(".copy-markdown", () => this.#copySource(inMarkdown));
    on(".subtitles", () => this.#saveSubtitles());
    on(".edit", () => this.#edit());
    on(".undo-edit", () => this.#keep(null, "edit_undone"));
    on(".share", () => this.#share());
    part(".read").hidden = !canSpeak;
    makeToolbar(part(".actions"), entry);
    new Menu(part(".more"), part(".menu"), () => this.#chooseItems());
  }

  // To be called when the entry shows something else.
  refresh() {
    const { answer } = this.#record;
    if (answer !== this.#answer) this.#cancelEdit();
    const text = answer ? whole(this.#record) : "";
    if (text !== this.#text) this.#stopReading();
    [this.#answer, this.#text] = [answer, text];
  }

  // Stops what goes on by itself; the entry can be removed then.
  leave() {
    this.#stopReading();
  }

  get #name() {
    return this.#record.name || say("photo");
  }

  #chooseItems() {
    const show = (selector, shown) => (this.#entry.querySelector(selector).hidden = !shown);
    show(".copy-doubt", hasDoubt(this.#record));
    show(".subtitles", this.#record.answer.scenes);
    show(".undo-edit", this.#record.edited);
    show(".share", canShare);
    const isAsking = this.#entry.classList.contains("again"); // for a caption that would replace it
    this.#entry.querySelector(".edit").setAttribute("aria-disabled", isAsking);
  }

  async #copy(text) {
    const done = await copied(text);
    this.#quote(done ? "copied" : "not_copied", quote(text, this.#record.answer.language));
  }

  async #copySource(written) {
    const { name, isVideo } = this.#record;
    const source = written(name || "photo", plain(this.#record), isVideo);
    const done = await copied(source);
    const quoted = quote(source, this.#record.answer.language);
    quoted.dir = "ltr"; // as source is, whatever the language in it
    this.#quote(done ? "copied" : "not_copied", quoted);
  }

  #saveSubtitles() {
    const file = `${this.#name.replace(/\.[^.]*$/, "")}.vtt`;
    save(file, "text/vtt", webvtt(this.#record.answer.scenes));
    this.#act.note(say("downloaded", { file }));
  }

  #quote(sentence, text) {
    this.#act.note(...nodes(sentence, { text }));
  }

  #readOrStop() {
    const button = this.#entry.querySelector(".read");
    const isReading = button.classList.contains("reading-aloud");
    this.#stopReading();
    if (isReading) return;
    const { language } = this.#record.answer;
    const show = (reading) => {
      button.classList.toggle("reading-aloud", reading);
      button.textContent = say(reading ? "stop" : "read_aloud");
    };
    show(true);
    this.#stopReading = read(whole(this.#record), language ?? "en", (how) => {
      show(false);
      const name = quote(nameOf(language), language);
      if (how === "no voice") this.#act.note(...nodes("no_voice", { language: name }));
      if (how === "failed") this.#act.note(say("not_read"));
    });
  }

  #edit() {
    const { language } = this.#record.answer;
    const label = say("caption_of", { name: this.#name });
    this.#act.clearNote();
    const done = (text) => {
      if (text !== null) this.#save(text);
      this.#entry.querySelector(".more").focus();
    };
    this.#cancelEdit = edit(this.#entry, { text: plain(this.#record), label, language, done });
  }

  #save(text) {
    const before = altText(this.#record.answer);
    if (!text) return this.#keep(null, "empty_edit");
    if (text === plain(this.#record)) return;
    if (text === before) return this.#keep(null, "edit_undone");
    this.#keep(text, "edit_saved");
    const detail = { before, after: text };
    this.#entry.dispatchEvent(new CustomEvent("edited", { bubbles: true, detail }));
  }

  #keep(edited, sentence) {
    this.#record.edited = edited;
    this.#act.save();
    this.#act.refresh();
    this.#quote(sentence, quote(plain(this.#record), this.#record.answer.language));
  }

  async #share() {
    const { photo } = this.#record;
    const text = plain(this.#record);
    if (await shared(text, photo, this.#record.name || "photo")) return;
    this.#quote("not_shared", quote(text, this.#record.answer.language));
  }
}
