// Opens and closes the glass box of a photo.

import { considered, isSaid } from "./answer.js";
import { closeWithEscape, fillGlass } from "./glass.js";
import { fillStrip } from "./strip.js";

export class Looking {
  #box;
  #button;
  #glass = null;

  constructor(box, button) {
    this.#box = box;
    this.#button = button;
    closeWithEscape(box, button);
  }

  get isOpen() {
    return Boolean(this.#glass);
  }

  // Also opens it again, for another caption.
  async open({ answer, photo }) {
    this.close();
    const opening = (this.#glass = { stop: () => {} });
    const glass = await (answer.scenes
      ? fillStrip(this.#box, photo, answer.scenes)
      : fillGlass(this.#box, photo, answer, considered(answer), isSaid(answer)));
    if (this.#glass !== opening) return glass.stop();
    this.#glass = glass;
    this.#button.setAttribute("aria-expanded", "true");
    this.#box.hidden = false;
    glass.start();
  }

  close() {
    this.#glass?.stop();
    this.#glass = null;
    this.#box.hidden = true;
    this.#button.setAttribute("aria-expanded", "false");
  }
}
