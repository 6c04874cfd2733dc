// The glass box: a caption word by word with its attention, and the captions that were considered.

import { Heat, whereabouts } from "./heat.js";
import { mark, quote } from "./language.js";
import { nodes, percent, say } from "./say.js";

const STEP = 900; // milliseconds a word
const calm = matchMedia("(prefers-reduced-motion: reduce)");

// Fills a box with the server's explanation; returns functions that play it and stop it. Where the
// photo is out of distribution it shows no probabilities: they hold for other photos only.
export async function fillGlass(box, photo, answer, considered, isSaid) {
  const guessed = answer.unfamiliar;
  const parts = document.getElementById("glass").content.cloneNode(true);
  const find = (selector) => parts.querySelector(selector);
  const [canvas, words, play, now] = ["canvas", ".words", ".play", ".now"].map(find);
  const looked = answer.words.some((word) => word.attention);
  canvas.hidden = play.hidden = !looked;
  find(".no-attention").hidden = looked;
  find(".unsaid").hidden = isSaid || !looked;
  const heat = looked ? new Heat(canvas, await loaded(photo)) : null;

  let current = 0;
  let timer = 0;

  const show = (index) => {
    current = index;
    [...words.children].forEach((word, at) => {
      word.tabIndex = at === index ? 0 : -1;
      word.setAttribute("aria-current", at === index);
    });
    const { text, probability, attention } = answer.words[index];
    const values = { word: text, likely: percent(probability) };
    const [plain, at] = guessed ? ["guessed_word", "guessed_word_at"] : ["word", "word_at"];
    const sentence = attention ? at : plain;
    const place = attention && say(whereabouts(attention));
    const word = quote(text, answer.language);
    now.replaceChildren(...nodes(sentence, { ...values, word, place }));
    if (!attention) return;
    canvas.setAttribute("aria-label", say("looked_for", values));
    heat.show(attention, !calm.matches);
  };
  const stop = () => {
    clearInterval(timer);
    timer = 0;
    play.textContent = say("play");
  };
  const start = () => {
    stop();
    show(current < answer.words.length - 1 ? current : 0);
    play.textContent = say("pause");
    timer = setInterval(() => {
      show(current + 1);
      if (current === answer.words.length - 1) stop();
    }, STEP);
  };
  const choose = (index) => {
    stop();
    show(index);
  };

  mark(words, answer.language).append(
    ...spelled(answer).map((piece, index) => wordButton(piece, answer.words[index], guessed)),
  );
  [...words.children].forEach((word, index) => {
    word.addEventListener("pointerenter", () => choose(index));
    word.addEventListener("focus", () => choose(index));
    word.addEventListener("click", () => choose(index));
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
  play.addEventListener("click", () => (timer ? stop() : start()));
  find("h3").textContent = say(guessed ? "considered" : "considered_surely");
  find("h3").hidden = considered.length < 2;
  find(".considered").append(...considered.map((one) => sentenceLine(one, considered, guessed)));
  show(0);
  box.replaceChildren(parts);
  return { stop, start: () => looked && !calm.matches && start() };
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

function wordButton({ text, glued }, { probability }, guessed) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = glued ? "word glued" : "word";
  button.textContent = text;
  if (guessed) return button;
  button.classList.add("likely");
  button.setAttribute("aria-label", say("word_button", { word: text, likely: percent(probability) }));
  button.style.setProperty("--likely", probability);
  return button;
}

function sentenceLine({ caption, confidence, language, chosen }, all, guessed) {
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
  const most = Math.max(...all.map((one) => one.confidence)) || 1;
  bar.firstChild.style.setProperty("--share", confidence / most);
  line.append(likely, bar);
  return line;
}
