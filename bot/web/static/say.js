// Returns a sentence by its name in `bot/web/sentences.py`, with its values filled in.

import sentences from "./sentences.js";

export function say(name, values = {}) {
  return sentences[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);
}
