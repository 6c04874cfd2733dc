// What was sent, as its entry shows it: a photo or an animation as a picture, a video in a player.

import { shownAs } from "./kinds.js";
import { nameOf } from "./language.js";
import { webvtt } from "./vtt.js";

export class Picture {
  #image;
  #player;
  #find;
  #url;
  #subtitles = null; // the scenes of the player's track
  #changed;

  // `changed` is called if it turns out that this browser cannot show it.
  constructor(entry, { photo, isVideo }, changed) {
    this.#find = (selector) => entry.querySelector(selector);
    [this.#image, this.#player] = [".sent img", ".player"].map(this.#find);
    this.#changed = changed;
    this.#url = URL.createObjectURL(shownAs(isVideo ? "video" : "image", photo));
    for (const shown of [this.#image, this.#player]) shown.addEventListener("error", () => this.#missing());
    if (isVideo) this.#play();
    else this.#image.src = this.#url;
  }

  // The player, or null if this is no video, or one that this browser cannot play.
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
