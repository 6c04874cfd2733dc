// A button that opens a menu (WAI-ARIA APG, "Menu Button"). The menu is a popover: it lies above the
// header and the composer, and the browser closes it when one clicks beside it.

const GAP = 4; // pixels between the button and its menu; to the window's edges twice as many

export class Menu {
  #button;
  #list;
  #prepare;
  #whileOpen = new AbortController();

  // `prepare` is called before the menu opens: which items there are may depend on the moment.
  constructor(button, list, prepare = () => {}) {
    [this.#button, this.#list, this.#prepare] = [button, list, prepare];
    button.popoverTargetElement = list; // a click on it is not one beside the menu
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", (event) => {
      event.preventDefault();
      if (this.#isOpen) this.close();
      else this.#open("first");
    });
    button.addEventListener("keydown", (event) => this.#openByKey(event));
    list.addEventListener("keydown", (event) => this.#move(event));
    // Before the item's own listener, which may move the focus on.
    list.addEventListener("click", (event) => this.#choose(event), { capture: true });
    list.addEventListener("toggle", () => this.#isOpen || this.#closed());
  }

  // Closes the menu; the focus returns to its button.
  close() {
    if (!this.#isOpen) return;
    this.#list.hidePopover();
    this.#button.focus();
    this.#closed();
  }

  get #isOpen() {
    return this.#list.matches(":popover-open");
  }

  get #items() {
    const all = [...this.#list.querySelectorAll("[role^=menuitem]")];
    return all.filter((item) => item.getClientRects().length && !isDisabled(item));
  }

  #open(which) {
    this.#prepare();
    this.#list.showPopover();
    this.#button.setAttribute("aria-expanded", "true");
    this.#whileOpen = new AbortController();
    const { signal } = this.#whileOpen;
    const place = () => this.#place();
    addEventListener("scroll", place, { signal, capture: true, passive: true });
    addEventListener("resize", place, { signal });
    place();
    this.#items.at(which === "first" ? 0 : -1)?.focus({ preventScroll: true });
  }

  // However it was closed. A click beside it leaves the focus nowhere, or on what only scripts focus.
  #closed() {
    this.#whileOpen.abort();
    this.#button.setAttribute("aria-expanded", "false");
    const focused = document.activeElement;
    if (!focused || focused.tabIndex < 0) this.#button.focus({ preventScroll: true });
  }

  // Under the button, or over it if there is more room, and always inside the window.
  #place() {
    const button = this.#button.getBoundingClientRect();
    const { width, height } = this.#list.getBoundingClientRect();
    const { clientWidth, clientHeight } = document.documentElement;
    const isLeftward = getComputedStyle(this.#button).direction === "rtl";
    const fits = button.bottom + GAP + height <= clientHeight - 2 * GAP;
    const isUnder = fits || clientHeight - button.bottom >= button.top;
    const top = isUnder ? button.bottom + GAP : button.top - GAP - height;
    const left = isLeftward ? button.right - width : button.left;
    const inside = (at, size, room) => Math.max(2 * GAP, Math.min(at, room - size - 2 * GAP));
    this.#list.style.setProperty("top", `${inside(top, height, clientHeight)}px`);
    this.#list.style.setProperty("left", `${inside(left, width, clientWidth)}px`);
  }

  #openByKey(event) {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    this.#open(event.key === "ArrowDown" ? "first" : "last");
  }

  #move(event) {
    const items = this.#items;
    const at = items.indexOf(document.activeElement);
    const goal = {
      ArrowDown: items[(at + 1) % items.length],
      ArrowUp: items.at(at <= 0 ? -1 : at - 1),
      Home: items[0],
      End: items.at(-1),
    }[event.key];
    if (event.key === "Tab") return this.close(); // and on from the button
    if (event.key === "Escape") this.close();
    else if (goal) goal.focus();
    else if (!this.#spell(event, items, at)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  // A letter goes to the next item that begins with it.
  #spell({ key, ctrlKey, metaKey, altKey }, items, at) {
    if (ctrlKey || metaKey || altKey || key === " " || [...key].length !== 1) return false;
    const next = [...items.slice(at + 1), ...items.slice(0, at + 1)];
    const begins = (item) => item.textContent.trim().toLowerCase().startsWith(key.toLowerCase());
    next.find(begins)?.focus();
    return true;
  }

  #choose(event) {
    const item = event.target.closest("[role^=menuitem]");
    if (!item || isDisabled(item)) event.stopPropagation();
    else this.close();
  }
}

const isDisabled = (item) => item.getAttribute("aria-disabled") === "true";
