// Photos and videos in folders, which are dropped or chosen: those in the folders inside them too, by
// name. Both are called photos here.

import { here } from "./language.js";
import { isDeclared } from "./kinds.js";

export const MOST = 200; // photos at once; `python -m captioner` takes folders of any size

const { compare } = new Intl.Collator(here, { numeric: true });
const isHidden = (name) => name.startsWith("."); // what systems and programs put beside photos

// Returns what was dropped as entries of a file system, or null if no folder is among them. They can
// be asked for only while the drop is handled.
export function droppedFolders({ items }) {
  const entries = [...items].map((item) => item.kind === "file" && item.webkitGetAsEntry?.());
  const found = entries.filter(Boolean);
  return found.some((entry) => entry.isDirectory) ? found : null;
}

// Returns the photos of folders and files, the number of other files, and whether there are more
// photos than these.
export async function photosIn(entries) {
  const photos = [];
  let others = 0;
  for await (const entry of files(entries)) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    if (!file || !isDeclared(file)) others += 1;
    else if (photos.length === MOST) return { photos, others, more: true };
    else photos.push(file);
  }
  return { photos, others, more: false };
}

// Returns the same of a folder that was chosen: browsers list it as files with paths.
export function photosOf(chosen) {
  const steps = (file) => file.webkitRelativePath.split("/");
  const seen = [...chosen].filter((file) => !steps(file).some(isHidden));
  const photos = seen.filter(isDeclared).sort((one, other) => compareSteps(steps(one), steps(other)));
  return {
    photos: photos.slice(0, MOST),
    others: seen.length - photos.length,
    more: photos.length > MOST,
  };
}

async function* files(entries) {
  for (const entry of entries) {
    if (isHidden(entry.name)) continue;
    if (entry.isFile) yield entry;
    else yield* files((await listed(entry)).sort((one, other) => compare(one.name, other.name)));
  }
}

// A browser lists a folder in parts.
async function listed(folder) {
  const reader = folder.createReader();
  const all = [];
  for (;;) {
    const part = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!part.length) return all;
    all.push(...part);
  }
}

function compareSteps(one, other) {
  const at = one.findIndex((step, index) => step !== other[index]);
  return at < 0 ? 0 : compare(one[at], other[at] ?? "");
}
