// The access token: asked for when the server wants one, and kept until the tab is closed.

const NAME = "token";
const part = (id) => document.getElementById(id);
const [dialog, field, trouble] = [part("token-dialog"), part("token"), part("token-trouble")];
let kept = read();
let asking = null; // while the dialog is open: the promise of whether there is another token
let declined = 0; // when the dialog was last closed without a token

export const held = () => kept;

// Returns whether there is a token other than the refused one, and asks for one if not. It does
// not ask for a photo that came before the person last declined.
export async function replaced(refused, sentence, since) {
  if (kept !== refused) return true;
  if (declined > since) return false;
  asking ??= ask(refused ? sentence : "");
  return asking;
}

function ask(sentence) {
  trouble.textContent = sentence;
  field.setAttribute("aria-invalid", String(Boolean(sentence)));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(closed()), { once: true });
  });
}

function closed() {
  asking = null;
  const given = dialog.returnValue ? field.value.trim() : "";
  field.value = "";
  if (given) keep(given);
  else declined = performance.now();
  return Boolean(given);
}

function read() {
  try {
    return sessionStorage.getItem(NAME) ?? "";
  } catch {
    return ""; // this browser stores nothing: the token lasts until the next reload
  }
}

function keep(token) {
  kept = token;
  try {
    sessionStorage.setItem(NAME, token);
  } catch {} // see `read`
}

part("token-later").addEventListener("click", () => dialog.close());
