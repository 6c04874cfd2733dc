// The scenes of a story with their times. Where there is a player, each is a button that leads to it.

import { quote } from "./language.js";

// Seconds: what is shown at a rounded time may still be the frame before.
export const AFTER = 0.01;

export class Scenes {
  #list;
  #scenes = [];
  #player = null;

  constructor(list) {
    this.#list = list;
  }

  // A single scene is the story itself.
  show(scenes, player) {
    const several = scenes?.length > 1 ? scenes : [];
    const isSame = several === this.#scenes || !(several.length || this.#scenes.length);
    if (isSame && player === this.#player) return;
    [this.#scenes, this.#player] = [several, player];
    this.#list.hidden = !several.length;
    this.#list.replaceChildren(...several.map((scene) => this.#line(scene)));
    for (const event of ["timeupdate", "seeking"]) {
      player?.addEventListener(event, () => this.#markCurrent());
    }
  }

  #line(scene) {
    const line = document.createElement("li");
    const part = document.createElement(this.#player ? "button" : "p");
    const time = document.createElement("time");
    time.dateTime = `PT${scene.start}S`;
    time.textContent = clock(scene.start);
    part.append(time, " ", quote(scene.text, scene.language));
    if (this.#player) {
      part.type = "button";
      part.addEventListener("click", () => (this.#player.currentTime = scene.start + AFTER));
    }
    line.append(part);
    return line;
  }

  #markCurrent() {
    const now = this.#player.currentTime;
    [...this.#list.children].forEach(({ firstChild: part }, index) => {
      const { start, end } = this.#scenes[index];
      if (start <= now && now < end) part.setAttribute("aria-current", "true");
      else part.removeAttribute("aria-current");
    });
  }
}

// As players write it: "1:05".
export function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
