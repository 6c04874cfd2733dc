// The page: photos that come in are sent; the thread is kept across reloads.

import "./about.js";
import "./bars.js";
import { offerDownloads } from "./downloads.js";
import { offerExamples } from "./examples.js";
import { listen } from "./intake.js";
import * as thread from "./thread.js";

const part = (id) => document.getElementById(id);
const choose = part("choose");
let atEnd = true; // whether the page follows the end of the thread as it grows

function send(files) {
  atEnd = true;
  return thread.send([...files]);
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
  const follow = () => atEnd && !part("clear").hidden && page.scrollTo(0, page.scrollHeight);
  part("thread").addEventListener("click", () => (atEnd = false), { capture: true });
  new ResizeObserver(follow).observe(part("thread"));
}

listen(send);
offerDownloads(part("thread"), thread.all);
offerExamples(send);
stayAtTheEnd();
part("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address stays as it is
  choose.focus();
});
part("clear").addEventListener("click", thread.clear);

await thread.load();
