// What a file says that it is, by its type and its name, as `bot/attachments.py` decides it.

import limits from "./limits.js";

const GENERIC = ["", "application/octet-stream", "binary/octet-stream", "application/binary"];
const suffixes = new Set(limits.suffixes);

const hasPhotoName = (name) => suffixes.has(/\.[^.]+$/.exec(name)?.[0].toLowerCase());

export function isPhoto({ type, name }) {
  return type.startsWith("image/") || hasPhotoName(name);
}

// Whether a file is surely no picture; where its type and name say nothing, only its content can tell.
export function isOther(file) {
  return !isPhoto(file) && !GENERIC.includes(file.type) && !file.type.startsWith("video/");
}
