// The page: photos that come in are sent; the thread is kept across reloads.

import { offerDownloads } from "./downloads.js";
import { listen } from "./intake.js";
import * as thread from "./thread.js";

const part = (id) => document.getElementById(id);
const choose = part("choose");
let atEnd = true; // whether the page follows the end of the thread as it grows

function send(files) {
  atEnd = true;
  thread.send([...files]);
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

listen(send);
offerDownloads(part("thread"), thread.all);
stayAtTheEnd();
part("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address stays as it is
  choose.focus();
});
part("clear").addEventListener("click", thread.clear);
part("about").addEventListener("click", () => part("about-dialog").showModal());
part("about-close").addEventListener("click", () => part("about-dialog").close());

await thread.load();
