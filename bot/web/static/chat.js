// The page: photos come in by button, drop and paste; the thread is kept across reloads.

import * as thread from "./thread.js";

const part = (id) => document.getElementById(id);
const choose = part("choose");
let atEnd = true; // whether the page follows the end of the thread as it grows

function send(files) {
  atEnd = true;
  thread.send([...files]);
}

function takeFrom(transfer, event) {
  if (!transfer?.files.length) return;
  event.preventDefault();
  send(transfer.files);
}

function chooseWith(button, input) {
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    send(input.files);
    input.value = "";
  });
}

function stayAtTheEnd() {
  const page = document.documentElement;
  let last = 0;
  addEventListener("scroll", () => {
    const near = page.scrollTop + page.clientHeight > page.scrollHeight - 100;
    // Only scrolling up leaves the end; a photo that loads moves the end itself.
    atEnd = near || (atEnd && page.scrollTop >= last);
    last = page.scrollTop;
  });
  part("thread").addEventListener("click", () => (atEnd = false), { capture: true });
  new ResizeObserver(() => atEnd && page.scrollTo(0, page.scrollHeight)).observe(part("thread"));
}

function listenForDrops() {
  const dragging = (on) => document.body.classList.toggle("dragging", on);
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => carriesFiles(event) && dragging(true));
  addEventListener("dragleave", (event) => event.relatedTarget ?? dragging(false));
  addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("drop", (event) => {
    dragging(false);
    takeFrom(event.dataTransfer, event);
  });
}

chooseWith(choose, part("files"));
chooseWith(part("take"), part("camera"));
listenForDrops();
stayAtTheEnd();
addEventListener("paste", (event) => takeFrom(event.clipboardData, event));
part("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address stays as it is
  choose.focus();
});
part("clear").addEventListener("click", thread.clear);
part("about").addEventListener("click", () => part("about-dialog").showModal());
part("about-close").addEventListener("click", () => part("about-dialog").close());

await thread.load();
