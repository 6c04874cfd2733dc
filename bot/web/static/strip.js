// The glass box of a story: a strip of the frames that it is about, and the box of the chosen one.

import { considered, isSaid } from "./answer.js";
import { frameAt } from "./frames.js";
import { fillGlass } from "./glass.js";
import { say } from "./say.js";
import { AFTER, clock } from "./scenes.js";

// As `fillGlass`, for a video and its scenes. A frame that cannot be drawn is a grey area.
export async function fillStrip(box, video, scenes) {
  const told = scenes.filter((scene) => scene.told);
  const pictures = [];
  for (const { frame } of told) pictures.push(await frameAt(video, frame + AFTER)); // one video at a time
  const [strip, inner] = ["div", "div"].map((tag) => document.createElement(tag));
  let glass = null;
  let isShown = false;

  const choose = async (index) => {
    [...strip.children].forEach((one, at) => one.setAttribute("aria-pressed", at === index));
    glass?.stop();
    const [scene, opening] = [told[index], (glass = { start() {}, stop() {} })];
    const { start, stop } = await fillGlass(inner, pictures[index], scene, considered(scene), isSaid(scene));
    if (glass !== opening) return; // another was chosen meanwhile, or the box was closed
    glass = { start, stop };
    if (isShown) start();
  };
  strip.className = "strip";
  strip.setAttribute("role", "group");
  strip.setAttribute("aria-label", say("scenes"));
  strip.hidden = told.length < 2;
  strip.append(...told.map((scene, index) => tile(scene, pictures[index], () => choose(index))));
  await choose(0);
  box.setAttribute("aria-label", say("where_looked"));
  box.replaceChildren(strip, inner);
  return {
    start: () => {
      isShown = true;
      glass.start();
    },
    stop: () => {
      glass.stop();
      glass = null;
      for (const image of strip.querySelectorAll("img")) URL.revokeObjectURL(image.src);
    },
  };
}

// Its name is what is said of the frame, and when it is shown.
function tile({ start, text, language }, picture, choose) {
  const button = document.createElement("button");
  const time = document.createElement("span");
  button.type = "button";
  time.textContent = clock(start);
  if (picture) {
    const image = new Image();
    Object.assign(image, { alt: text, lang: language, src: URL.createObjectURL(picture) });
    button.append(image);
  }
  button.append(time);
  button.addEventListener("click", choose);
  return button;
}
