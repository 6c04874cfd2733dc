// The line under a photo that says what became of a click.

const STAYS = 8000; // milliseconds that a success is shown

export class Note {
  #line;
  #rest = []; // what is shown while there is nothing else
  #timer = 0;

  constructor(line) {
    this.#line = line;
  }

  // Shows a sentence until the next click, or only for a while.
  show(pieces, { isBrief = false } = {}) {
    this.#set(pieces);
    this.#line.scrollIntoView({ block: "nearest" });
    if (isBrief) this.#timer = setTimeout(() => this.clear(), STAYS);
  }

  clear() {
    this.#set(this.#rest);
  }

  // Sets what is shown while there is nothing else.
  rest(pieces) {
    this.#rest = pieces;
    this.clear();
  }

  #set(pieces) {
    clearTimeout(this.#timer);
    this.#line.replaceChildren(...pieces);
  }
}
