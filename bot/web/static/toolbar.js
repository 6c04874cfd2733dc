// A row of buttons with one tab stop and arrow keys (WAI-ARIA APG, "Toolbar").

// Buttons may come and go, be hidden or disabled, as the entry around the row changes its class.
export function makeToolbar(row, entry) {
  let stop = null; // the button that Tab reaches

  const every = () => [...row.querySelectorAll("button")];
  const usable = () => every().filter(isUsable);
  const tidy = () => {
    // A button that is disabled while it has the focus keeps it.
    if (stop !== document.activeElement && !usable().includes(stop)) stop = usable()[0] ?? null;
    for (const button of every()) button.tabIndex = button === stop ? 0 : -1;
  };
  const reach = (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    stop = button;
    tidy();
  };
  row.addEventListener("focusin", reach);
  row.addEventListener("click", reach); // Safari does not focus a button that is clicked
  row.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const all = every();
    const at = all.indexOf(event.target);
    const before = all.slice(0, at).findLast(isUsable);
    const after = all.slice(at + 1).find(isUsable);
    const isLeftward = getComputedStyle(row).direction === "rtl";
    const goals = {
      ArrowLeft: isLeftward ? after : before,
      ArrowRight: isLeftward ? before : after,
      Home: all.find(isUsable),
      End: all.findLast(isUsable),
    };
    if (!Object.hasOwn(goals, event.key)) return;
    event.preventDefault();
    goals[event.key]?.focus();
  });
  const attributeFilter = ["hidden", "disabled", "aria-disabled"];
  const observer = new MutationObserver(tidy);
  observer.observe(row, { subtree: true, childList: true, attributes: true, attributeFilter });
  observer.observe(entry, { attributes: true, attributeFilter: ["class"] });
  queueMicrotask(tidy); // the row is on the page then
}

function isUsable(button) {
  return button.getClientRects().length > 0 && !button.matches(':disabled, [aria-disabled="true"]');
}
