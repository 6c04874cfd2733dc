// How a caption and the doubt about it stand under a photo: the caption first, the doubt quietly after.

// The server's text ends with the doubt, or with how far a video was looked at. Doubt in brackets
// becomes a small line of its own with a mark, without its brackets; another sentence
// ("Perhaps: ...") stays in its place.
export function sentenceAndDoubt({ text, doubt }) {
  const end = doubt ? text.lastIndexOf(doubt) : -1;
  if (end < 0) return [text];
  const before = text.slice(0, end);
  const after = text.slice(end + doubt.length).replace(/^\p{Close_Punctuation}/u, "");
  const sentence = before.replace(/\s*\p{Open_Punctuation}$/u, "");
  const inBrackets = sentence !== before;
  const quiet = document.createElement("span");
  quiet.className = inBrackets ? "doubt marked" : "doubt";
  quiet.textContent = inBrackets ? doubt.replace(/[.。]$/, "") : doubt;
  return inBrackets ? [sentence, after, " ", quiet] : [before, quiet, after];
}
