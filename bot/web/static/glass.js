// The glass box: a caption word by word with its attention, and the captions that were considered.

import { Heat, whereabouts } from "./heat.js";
import { mark, quote } from "./language.js";
import { lay } from "./overlay.js";
import { nodes, percent, say } from "./say.js";

const STEP = 900; // milliseconds a word
const calm = matchMedia("(prefers-reduced-motion: reduce)");

let number = 0; // of the boxes that were filled, for the ids of their headings

// Fills a box with the server's explanation; returns functions that start it once the box is shown,
// and stop it. Where the photo is out of distribution it shows no probabilities: they hold for
// other photos only. Within another box, the photo is not the one that was sent: it stays there.
export async function fillGlass(box, photo, answer, considered, isSaid) {
  const guessed = answer.unfamiliar;
  const parts = document.getElementById("glass").content.cloneNode(true);
  const find = (selector) => parts.querySelector(selector);
  const [canvas, words, play, now] = [".heat", ".words", ".play", ".now"].map(find);
  const [reading, heading, list] = [".reading", "h3", ".considered"].map(find);
  const looked = answer.words.some((word) => word.attention);
  canvas.hidden = play.hidden = !looked;
  find(".no-attention").hidden = looked;
  find(".unsaid").hidden = isSaid || !looked;
  const image = looked && photo ? await loaded(photo) : null;
  const heat = looked ? new Heat(canvas, image) : null;

  let current = 0;
  let timer = 0;
  let takeAway = () => {};

  // Says the word's line aloud only if asked to: the word itself is read where it gets the focus,
  // and what plays would interrupt everything else.
  const show = (index, aloud = false) => {
    current = index;
    [...words.children].forEach((word, at) => {
      word.tabIndex = at === index ? 0 : -1;
      word.setAttribute("aria-current", at === index);
    });
    const { text, attention } = answer.words[index];
    const word = quote(text, answer.language);
    now.setAttribute("aria-live", aloud ? "polite" : "off");
    now.replaceChildren(...nodes(lineName(attention, guessed), { ...values(answer.words[index]), word }));
    if (!attention) return;
    canvas.setAttribute("aria-label", say("looked_for", { word: text }));
    heat.show(attention, !calm.matches);
  };
  const pause = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = say("play");
  };
  const run = () => {
    pause();
    show(current < answer.words.length - 1 ? current : 0);
    play.textContent = say("pause");
    timer = setInterval(() => {
      show(current + 1);
      if (current === answer.words.length - 1) pause();
    }, STEP);
  };
  const choose = (index, aloud) => {
    pause();
    show(index, aloud);
  };

  mark(words, answer.language).append(
    ...spelled(answer).map((piece, index) => wordButton(piece, answer.words[index], guessed)),
  );
  [...words.children].forEach((word, index) => {
    word.addEventListener("pointerenter", () => choose(index));
    word.addEventListener("focus", () => {
      choose(index);
      if (word.matches(":focus-visible")) bringIntoView(now, word);
    });
    // Some browsers give a button that is pressed no focus.
    word.addEventListener("click", () => choose(index, document.activeElement !== word));
  });
  words.addEventListener("keydown", (event) => {
    const last = answer.words.length - 1;
    const isLeftward = getComputedStyle(words).direction === "rtl";
    const [before, after] = [Math.max(0, current - 1), Math.min(last, current + 1)];
    const goal = {
      ArrowLeft: isLeftward ? after : before,
      ArrowRight: isLeftward ? before : after,
      Home: 0,
      End: last,
    }[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    words.children[goal].focus();
  });
  play.addEventListener("click", () => (timer ? pause() : run()));
  number += 1;
  heading.id = `where-looked-${number}`;
  box.setAttribute("aria-labelledby", heading.id);
  find("h4").textContent = say(guessed ? "considered" : "considered_surely");
  find("h4").hidden = considered.length < 2;
  list.append(...considered.map((one) => sentenceLine(one, guessed)));
  show(0);
  box.replaceChildren(parts);
  return {
    start: () => {
      if (image && box.matches(".glass")) takeAway = lay(canvas, box.closest(".entry"));
      show(current); // the outline's width depends on the canvas's
      reading.scrollIntoView({ block: "nearest" });
      if (looked && !calm.matches) run();
    },
    stop: () => {
      pause();
      takeAway();
    },
  };
}

// Has Escape close the box, as its button does, which gets the focus back.
export function closeWithEscape(box, button) {
  for (const part of [box, button]) {
    part.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || box.hidden) return;
      event.stopPropagation();
      button.click();
      button.focus();
    });
  }
}

// Where there is room for one of them only, that is the last.
function bringIntoView(...parts) {
  for (const part of parts) part.scrollIntoView({ block: "nearest" });
}

function lineName(attention, guessed) {
  if (guessed) return attention ? "guessed_word_at" : "guessed_word";
  return attention ? "word_at" : "word";
}

// What the sentences about a word say.
function values({ probability, attention }) {
  return { likely: percent(probability), place: attention && say(whereabouts(attention)) };
}

async function loaded(photo) {
  const url = URL.createObjectURL(photo);
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
    return image;
  } catch {
    return null;
  } finally {
    URL.revokeObjectURL(url);
  }
}

// The words as the sentence spells them, with its capital letter and full stop.
function spelled({ caption, words }) {
  let from = 0;
  return words.map(({ text }, index) => {
    const at = caption.toLowerCase().indexOf(text.toLowerCase(), from);
    if (at < 0) return { text, glued: false };
    const end = index === words.length - 1 ? caption.length : at + text.length;
    const glued = index > 0 && at === from;
    from = end;
    return { text: caption.slice(at, end), glued };
  });
}

function wordButton({ text, glued }, word, guessed) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = glued ? "word glued" : "word";
  button.textContent = text;
  if (guessed && !word.attention) return button;
  const plain = word.attention ? "word_button_at" : "word_button";
  const name = guessed ? "guessed_word_button_at" : plain;
  button.setAttribute("aria-label", say(name, { word: text, ...values(word) }));
  if (guessed) return button;
  button.classList.add("likely");
  button.style.setProperty("--likely", word.probability);
  return button;
}

function sentenceLine({ caption, confidence, language, chosen }, guessed) {
  const line = document.createElement("li");
  const text = document.createElement("span");
  text.append(quote(caption, language));
  if (chosen) {
    text.className = "chosen";
    text.append(Object.assign(document.createElement("small"), { textContent: say("chosen") }));
  }
  line.append(text);
  if (guessed) return line;
  const [likely, bar] = ["span", "div"].map((tag) => document.createElement(tag));
  likely.textContent = percent(confidence);
  likely.className = "percent";
  bar.className = "bar";
  bar.append(document.createElement("i"));
  bar.firstChild.style.setProperty("--share", confidence);
  line.append(likely, bar);
  return line;
}
