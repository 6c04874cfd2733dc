// A photo and its text in HTML and in Markdown. Names of photos and texts are strangers' input.

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

// Returns a text for HTML: between tags, or in an attribute with quotation marks.
export const escaped = (text) => text.replace(/[&<>"']/g, (letter) => ENTITIES[letter]);

export function inHtml(name, text, isVideo) {
  if (!isVideo) return `<img src="${address(name)}" alt="${escaped(text)}">`;
  return `<video src="${address(name)}" controls aria-label="${escaped(text)}"></video>`;
}

// CommonMark lets a backslash precede any of its punctuation; GitHub reads ~, | and $ too.
// Markdown has no players: a video is a link.
export const inMarkdown = (name, text, isVideo) =>
  `${isVideo ? "" : "!"}[${text.replace(/[\\`*_[\]<>&~|$]/g, "\\$&")}](${address(name)})`;

// Returns a file's name as a relative address. Letters of any script stay readable; all else that
// could end the address, or begin another, becomes percents: brackets, quotation marks, colons.
function address(name) {
  return name.replace(/[^\p{L}\p{M}\p{N}._~-]/gu, (letter) =>
    [...new TextEncoder().encode(letter)].map((byte) => `%${hex(byte)}`).join(""),
  );
}

const hex = (byte) => byte.toString(16).toUpperCase().padStart(2, "0");
