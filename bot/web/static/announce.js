// Says things to people who use a screen reader, politely: in the page's only live region.

const region = document.getElementById("status");
const SPACING = 1000; // milliseconds: what changes sooner may not be read
const STAYS = 10_000; // milliseconds; later it may no longer be true

let pending = [];
let shown = null;
let shownAt = -SPACING;
let timer = 0;

// Takes texts and elements; an element may have a language of its own. Returns a function that
// takes them back, for when they are no longer true.
export function announce(...pieces) {
  pending.push(pieces);
  clearTimeout(timer);
  timer = setTimeout(next, Math.max(0, shownAt + SPACING - performance.now()));
  return () => {
    pending = pending.filter((other) => other !== pieces);
    if (shown === pieces) region.replaceChildren();
  };
}

// Takes back everything.
export function hush() {
  pending = [];
  region.replaceChildren();
}

function next() {
  shown = pending.shift();
  region.replaceChildren(...(shown ?? []));
  if (!shown) return;
  shownAt = performance.now();
  timer = setTimeout(next, pending.length ? SPACING : STAYS);
}
