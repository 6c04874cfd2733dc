// Frames of videos, as this browser decodes them.

import { shownAs } from "./kinds.js";

const PATIENCE = 10_000; // milliseconds; a browser may never answer about a video that is broken

// Returns what a video shows at a moment as a picture, or null if this browser cannot play it.
export async function frameAt(file, seconds) {
  const player = document.createElement("video");
  Object.assign(player, { muted: true, playsInline: true, preload: "auto" });
  const address = URL.createObjectURL(shownAs("video", file));
  try {
    const loaded = event(player, "loadeddata");
    player.src = address;
    await loaded;
    const sought = event(player, "seeked");
    player.currentTime = seconds;
    await sought;
    return await drawn(player);
  } catch {
    return null;
  } finally {
    player.removeAttribute("src");
    URL.revokeObjectURL(address);
  }
}

function drawn(player) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [player.videoWidth, player.videoHeight];
  canvas.getContext("2d").drawImage(player, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

function event(player, name) {
  return new Promise((resolve, reject) => {
    player.addEventListener(name, resolve, { once: true });
    player.addEventListener("error", reject, { once: true });
    setTimeout(reject, PATIENCE);
  });
}
