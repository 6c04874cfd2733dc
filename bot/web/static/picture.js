// What was sent, as its entry shows it: a photo or an animation as a picture, a film in a player.

import { isFilm } from "./kinds.js";
import { nameOf } from "./language.js";
import { webvtt } from "./vtt.js";

export class Picture {
  #image;
  #player;
  #find;
  #file;
  #url;
  #subtitles = null; // the scenes of the player's track
  #changed;

  // `changed` is called when it turns out what this browser can show.
  constructor(entry, file, changed) {
    this.#find = (selector) => entry.querySelector(selector);
    [this.#image, this.#player] = [".sent img", ".film"].map(this.#find);
    [this.#file, this.#changed] = [file, changed];
    this.#url = URL.createObjectURL(file);
    this.#image.addEventListener("error", () => this.#noImage());
    this.#player.addEventListener("error", () => this.#missing());
    if (isFilm(file)) this.#play();
    else this.#image.src = this.#url;
  }

  // The player, or null if this is no film, or one that this browser cannot play.
  get player() {
    return this.#player.hidden ? null : this.#player;
  }

  // Describes it to those who do not see it; `name` says what it is.
  describe(text, language, name) {
    Object.assign(this.#image, { alt: text, lang: language });
    this.#player.setAttribute("aria-label", name);
  }

  // Shows scenes as subtitles, if it has a player.
  subtitle(scenes, language) {
    if (!this.player || scenes === this.#subtitles) return;
    this.#subtitles = scenes;
    this.#dropTrack();
    if (!scenes) return;
    const track = document.createElement("track");
    track.src = URL.createObjectURL(new Blob([webvtt(scenes)], { type: "text/vtt" }));
    Object.assign(track, { kind: "captions", srclang: language, label: nameOf(language), default: true });
    this.#player.append(track);
  }

  leave() {
    this.#dropTrack();
    this.#player.removeAttribute("src");
    URL.revokeObjectURL(this.#url);
    this.#url = null;
  }

  #play() {
    this.#image.hidden = this.#find(".enlarge").hidden = true;
    this.#player.hidden = false;
    this.#player.muted = true; // the attribute counts only where a parser made the player
    this.#player.src = this.#url;
  }

  // A file without a type may be a film.
  #noImage() {
    if (this.#file.type.startsWith("image/")) return this.#missing();
    this.#play();
    this.#changed();
  }

  #missing() {
    if (!this.#url) return; // it was left while it was being read
    this.#image.hidden = this.#player.hidden = this.#find(".enlarge").hidden = true;
    this.#find(".no-preview").hidden = false;
    this.#changed();
  }

  #dropTrack() {
    const track = this.#player.querySelector("track");
    if (!track) return;
    URL.revokeObjectURL(track.src);
    track.remove();
  }
}
