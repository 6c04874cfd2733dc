// Shows a photo as large as the window allows.

import { mark } from "./language.js";

const part = (id) => document.getElementById(id);
const [dialog, image] = [part("enlarged"), part("enlarged-photo")];
let opener = null;

// Takes the photo's image on the page, its name, and the button that gets the focus afterwards.
export function enlarge({ src, alt, lang }, name, button) {
  opener = button;
  dialog.setAttribute("aria-label", name);
  mark(image, lang);
  Object.assign(image, { src, alt });
  dialog.showModal();
}

dialog.addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
  image.removeAttribute("src");
  opener?.focus();
});
