// The example photos of a first visit: a press on one sends it as if it had been chosen.

import { say } from "./say.js";

const part = (id) => document.getElementById(id);

export function offerExamples(send) {
  for (const button of part("examples").querySelectorAll("button")) {
    button.addEventListener("click", () => sendOne(button.querySelector("img").src, send));
  }
}

async function sendOne(address, send) {
  const trouble = part("example-trouble");
  trouble.textContent = "";
  try {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(answer.status);
    const photo = await answer.blob();
    send([new File([photo], address.split("/").pop(), { type: photo.type })]);
    // The button that had the focus is hidden now.
    part("thread").lastElementChild.focus({ preventScroll: true });
  } catch {
    trouble.textContent = say("unreachable");
  }
}
