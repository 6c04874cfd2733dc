// What an answer of the API says: its alt text, and what was considered.

const CONSIDERED = 6;

// An answer that an earlier version of the page stored has neither `alt_text` nor `doubt`.
export function altText({ alt_text: text, caption }) {
  return text ?? caption;
}

// Whether the caption is said, and not only the name of what the photo shows.
export function isSaid(answer) {
  return altText(answer) === answer.caption;
}

// Returns the answer to another caption, with what was considered before.
export function after(before, answer) {
  const alternatives = [...answer.alternatives, ...sentences(before)].slice(0, 2 * CONSIDERED);
  return { ...answer, alternatives };
}

// The caption and its alternatives, each sentence once, the likelier first.
export function considered(answer) {
  const [first, ...alternatives] = sentences(answer);
  const others = new Map(alternatives.map((other) => [other.caption, other]));
  others.delete(answer.caption);
  const all = [{ ...first, chosen: isSaid(answer) }, ...others.values()];
  return all.slice(0, CONSIDERED).sort((one, other) => other.confidence - one.confidence);
}

// The caption and its alternatives. Alternatives are in its language; those from before another
// caption was asked for have their own.
function sentences({ caption, confidence, language, alternatives }) {
  return [{ caption, confidence, language }, ...alternatives.map((other) => ({ language, ...other }))];
}
