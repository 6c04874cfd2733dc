// Downloads all captions of the thread, as a table, as JSON, or as a page with the photos.

import { album } from "./album.js";
import { announce } from "./announce.js";
import { isSaid } from "./answer.js";
import { doubt, plain, sentence } from "./caption.js";
import { table } from "./csv.js";
import { Menu } from "./menu.js";
import * as files from "./save.js";
import { say } from "./say.js";

// Fills in the part of the page at the end of the thread, which is there while there is a caption.
export function offerDownloads(thread, records) {
  const box = document.getElementById("downloads");
  const part = (selector) => box.querySelector(selector);
  const on = (selector, does) => part(selector).addEventListener("click", () => does(records()));
  on(".csv", (all) => save("csv", "text/csv", asTable(all)));
  on(".json", (all) => save("json", "application/json", asJson(all)));
  on(".html", (all) => savePage(all, part("button")));
  new Menu(part("button"), part(".menu"));
  const tidy = () => (box.hidden = !thread.querySelector(".entry.answered"));
  const attributeFilter = ["class"];
  new MutationObserver(tidy).observe(thread, { childList: true, subtree: true, attributeFilter });
}

// A photo without a caption is listed too: what is missing can be seen. The confidence is that of the
// model's caption, on photos like those that it was trained with; elsewhere there is none.
function described(record) {
  const { name, answer, edited } = record;
  if (!answer) {
    return { name, caption: "", alt_text: "", confidence: null, doubt: "", language: null, edited: false };
  }
  const isSure = !edited && !answer.unfamiliar && isSaid(answer);
  return {
    name,
    caption: sentence(record),
    alt_text: plain(record),
    confidence: isSure ? answer.confidence : null,
    doubt: doubt(record),
    language: answer.language ?? "en", // what an earlier version of the page stored has none
    edited: Boolean(edited),
  };
}

function asTable(records) {
  const rows = records.map(described);
  return table([Object.keys(rows[0]), ...rows.map(Object.values)]);
}

function asJson(records) {
  const all = records.map((record) => {
    const scenes = record.answer?.scenes?.map(({ start, end, text }) => ({ start, end, caption: text }));
    return { ...described(record), ...(scenes && { scenes }) };
  });
  return `${JSON.stringify(all, null, 2)}\n`;
}

async function savePage(records, button) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    const answered = records.filter((record) => record.answer);
    save("html", "text/html", await album(answered, today()));
  } catch (error) {
    announce(say("page_failed", { error }));
  } finally {
    button.setAttribute("aria-disabled", "false");
  }
}

function save(ending, type, text) {
  const file = `captions-${today()}.${ending}`;
  files.save(file, type, text);
  announce(say("downloaded", { file }));
}

// The day where the reader is, as ISO 8601 writes it.
function today() {
  const now = new Date();
  const digits = (number) => String(number).padStart(2, "0");
  return [now.getFullYear(), digits(now.getMonth() + 1), digits(now.getDate())].join("-");
}
