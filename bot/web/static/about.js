// The dialog About: it opens at its top, and closes by its button, by Escape and by a press outside.

const part = (id) => document.getElementById(id);
const dialog = part("about-dialog");

function isInside({ clientX, clientY }) {
  const { left, right, top, bottom } = dialog.getBoundingClientRect();
  return left <= clientX && clientX <= right && top <= clientY && clientY <= bottom;
}

part("about").addEventListener("click", () => {
  dialog.showModal();
  dialog.scrollTop = 0;
});
part("about-close").addEventListener("click", () => dialog.close());
// A press on what is around the dialog is one on the dialog itself; a key's is one on a button.
dialog.addEventListener("click", (event) => {
  if (event.target === dialog && !isInside(event)) dialog.close();
});
