// Takes a photo with the camera of a computer, in a dialog with its live picture. Phones have better
// apps for that, which the button "Take a photo" opens there.

import { say } from "./say.js";

const JPEG = "image/jpeg";
const QUALITY = 0.92; // what browsers use if nothing is said
const SIZE = { width: { ideal: 1920 }, height: { ideal: 1080 }, facingMode: "environment" };
const TROUBLES = {
  NotAllowedError: "camera_forbidden",
  SecurityError: "camera_forbidden",
  NotFoundError: "no_camera",
  OverconstrainedError: "no_camera",
}; // all others: the camera is there and does not start

const part = (id) => document.getElementById(id);
const [dialog, live] = [part("webcam-dialog"), part("webcam-live")];
const [trouble, shutter, use] = [part("webcam-trouble"), part("webcam-take"), part("webcam-use")];
const again = part("webcam-again");
const taken = document.createElement("canvas"); // the photo, in place of the live picture
const devices = navigator.mediaDevices; // browsers have it on https and localhost only
const isPhone = matchMedia("(pointer: coarse)");
let stream = null;
let openings = 0; // a camera that starts after the dialog was closed is stopped at once

// Shows the button where there is a camera; `deliver` takes the photo.
export function offerWebcam(deliver) {
  if (!devices) return;
  look();
  devices.addEventListener("devicechange", look);
  part("take").addEventListener("click", open, { capture: true });
  shutter.addEventListener("click", take);
  again.addEventListener("click", () => (stream ? show("live") : start()));
  use.addEventListener("click", async () => {
    const photo = await new Promise((resolve) => taken.toBlob(resolve, JPEG, QUALITY));
    dialog.close();
    if (photo) deliver(new File([photo], say("new_photo"), { type: JPEG }));
  });
  part("webcam-cancel").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", stop);
  document.addEventListener("visibilitychange", () => document.hidden && dialog.close());
  addEventListener("pagehide", stop);
}

async function look() {
  try {
    const found = await devices.enumerateDevices();
    const hasCamera = found.some(({ kind }) => kind === "videoinput");
    document.body.classList.toggle("has-camera", hasCamera);
  } catch {} // a browser that does not say what there is
}

function open(event) {
  if (isPhone.matches) return;
  event.stopImmediatePropagation(); // the button would open a choice of files
  dialog.showModal();
  start();
}

async function start() {
  const opening = (openings += 1);
  show("starting");
  try {
    const started = await devices.getUserMedia({ video: SIZE, audio: false });
    if (opening !== openings) return end(started);
    stream = started;
    stream.getVideoTracks()[0].addEventListener("ended", () => fail("camera_busy")); // unplugged
    live.srcObject = stream;
    await live.play();
    if (opening === openings) show("live");
  } catch (error) {
    if (opening === openings) fail(TROUBLES[error.name] ?? "camera_busy");
  }
}

function take() {
  if (dialog.dataset.shows !== "live") return;
  taken.setAttribute("role", "img");
  taken.setAttribute("aria-label", say("new_photo"));
  taken.width = live.videoWidth;
  taken.height = live.videoHeight;
  taken.getContext("2d").drawImage(live, 0, 0);
  show("taken");
  use.focus();
}

function fail(sentence) {
  stop();
  show("trouble");
  trouble.textContent = say(sentence);
}

// One of "starting", "live", "taken" and "trouble".
function show(what) {
  const hadFocus = document.activeElement;
  dialog.dataset.shows = what;
  trouble.textContent = "";
  live.hidden = what === "taken" || what === "trouble";
  if (what === "taken") live.after(taken);
  else taken.remove();
  use.hidden = what !== "taken";
  again.hidden = what !== "taken" && what !== "trouble";
  shutter.hidden = live.hidden;
  shutter.setAttribute("aria-disabled", String(what !== "live"));
  if (what === "live" && hadFocus === again) shutter.focus();
}

function stop() {
  openings += 1;
  if (stream) end(stream);
  stream = null;
  live.srcObject = null;
}

function end(stream) {
  for (const track of stream.getTracks()) track.stop();
}
