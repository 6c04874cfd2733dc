// The page as an app: its service worker, the button that installs it, and the notice that the server
// cannot be reached, for a page that opened without a connection.

import { announce } from "./announce.js";
import { say } from "./say.js";

const WORKER = "/service-worker.js";
const ASK_AGAIN = 15_000; // milliseconds
const part = (id) => document.getElementById(id);
const [install, unreached] = [part("install"), part("unreached")];
const worker = navigator.serviceWorker; // browsers have it on https and localhost only
let invitation = null;
let timer = 0;
let takeBack = () => {};

// The page works without the worker, so a failure to register it is not reported.
function register() {
  const policy = window.trustedTypes?.createPolicy("service-worker", { createScriptURL: () => WORKER });
  worker.register(policy ? policy.createScriptURL(WORKER) : WORKER).catch(() => {});
}

// Not before the page has loaded, which the worker's own requests would slow down.
if (worker) {
  if (document.readyState === "complete") register();
  else addEventListener("load", register, { once: true });
}

addEventListener("beforeinstallprompt", (event) => {
  invitation = event;
  install.hidden = false;
});
addEventListener("appinstalled", () => (install.hidden = true));
install.addEventListener("click", () => {
  install.hidden = true; // a browser lets a page ask once
  part("about-close").focus();
  invitation.prompt();
});

// A proxy's answer that is no error counts too: it may ask people to sign in.
async function reaches() {
  try {
    const { status } = await fetch("/healthz", { cache: "no-store", redirect: "manual" });
    return status < 500;
  } catch {
    return false;
  }
}

async function check() {
  clearTimeout(timer);
  const there = await reaches();
  if (there) takeBack();
  else if (unreached.hidden) takeBack = announce(say("unreached"));
  unreached.hidden = there;
  if (!there) timer = setTimeout(check, ASK_AGAIN);
}

if (worker?.controller) check(); // otherwise the page itself has just come from the server
addEventListener("offline", check);
addEventListener("online", check);
