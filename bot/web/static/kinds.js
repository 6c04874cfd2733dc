// What a file is by its type and its name, much as `bot/attachments.py` decides it.

import limits from "./limits.js";

const GENERIC = ["", "application/octet-stream", "binary/octet-stream", "application/binary"];
const suffixes = new Set(limits.suffixes);

const hasPhotoName = (name) => suffixes.has(/\.[^.]+$/.exec(name)?.[0].toLowerCase());

// Films have a player on the page; animations are pictures there. The server decides by the bytes.
const FILMS = new Set([".mp4", ".m4v", ".mov", ".webm", ".mkv"]);

export function isFilm({ type, name = "" }) {
  if (type.startsWith("video/")) return true;
  return GENERIC.includes(type) && FILMS.has(/\.[^.]+$/.exec(name)?.[0].toLowerCase());
}

export function isPhoto({ type, name }) {
  return type.startsWith("image/") || hasPhotoName(name);
}

// Whether a file is surely no picture; where its type and name say nothing, only its content can tell.
export function isOther(file) {
  return !isPhoto(file) && !GENERIC.includes(file.type) && !file.type.startsWith("video/");
}
