// Says things to people who use a screen reader, in the page's live region.

const region = document.getElementById("status");
const PAUSE = 100; // milliseconds; what was there before is gone, so that the same is read again

// Returns a function that takes it back, for when it is no longer true.
export function announce(...pieces) {
  region.replaceChildren();
  const timer = setTimeout(() => region.replaceChildren(...pieces), PAUSE);
  return () => {
    clearTimeout(timer);
    if (region.textContent === pieces.join("")) region.replaceChildren();
  };
}
