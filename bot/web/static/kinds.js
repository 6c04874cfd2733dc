// What a file is. Its first bytes say whether it is a video, as in `captioner/video/kinds.py`. Its type
// and its name only say whether it is worth sending, much as `bot/attachments.py` decides it.

import limits from "./limits.js";

const GENERIC = ["", "application/octet-stream", "binary/octet-stream", "application/binary"];
const MPEG_TS = "video/mp2t"; // what systems call every file named .ts, and most of these are TypeScript
const HEAD = 12; // bytes
const { matroska, boxes, pictures } = limits.videos;
const [photos, videos] = [limits.suffixes, limits.videoSuffixes].map((all) => new Set(all));

const suffix = (name = "") => /\.[^.]+$/.exec(name)?.[0].toLowerCase();

// Videos have a player on the page; animations are pictures there. A file that cannot be read is none.
export async function isVideo(file) {
  const bytes = await file.slice(0, HEAD).arrayBuffer().catch(() => new ArrayBuffer(0));
  const head = String.fromCharCode(...new Uint8Array(bytes));
  const [box, brand] = [head.slice(4, 8), head.slice(8)];
  return head.startsWith(matroska) || (boxes.includes(box) && !(box === "ftyp" && pictures.includes(brand)));
}

// Returns a file that browsers show as a video, or as a picture, whatever type it says: without one,
// they look at its bytes too.
export function shownAs(kind, file) {
  return file.type.startsWith(`${kind}/`) ? file : file.slice();
}

// Whether a file says that it is a photo or a video.
export function isDeclared({ type, name }) {
  const byType = /^(image|video)\//.test(type) && type !== MPEG_TS;
  return byType || photos.has(suffix(name)) || videos.has(suffix(name));
}

// Whether a file is surely no photo and no video; where its type and name say nothing, only its content
// can tell.
export function isOther(file) {
  return !isDeclared(file) && !GENERIC.includes(file.type);
}
