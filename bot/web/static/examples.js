// The example photos of a first visit: a press on one sends it as if it had been chosen.

import { say } from "./say.js";

const part = (id) => document.getElementById(id);

export function offerExamples(send) {
  for (const button of part("examples").querySelectorAll("button")) {
    button.addEventListener("click", () => sendOne(button.dataset.photo, send));
  }
}

async function sendOne(name, send) {
  const trouble = part("example-trouble");
  trouble.textContent = "";
  try {
    const answer = await fetch(`/static/examples/${name}`);
    if (!answer.ok) throw new Error(answer.status);
    const photo = await answer.blob();
    await send([new File([photo], name, { type: photo.type })]);
    // The button that had the focus is hidden now.
    part("thread").lastElementChild.focus({ preventScroll: true });
  } catch {
    trouble.textContent = say("try_later");
  }
}
