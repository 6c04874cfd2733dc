// Reads a text aloud with a voice of this device.

const VOICES_WITHIN = 2000; // milliseconds; some browsers load their voices only once asked
const engine = window.speechSynthesis;

let current = null; // what is being read: { utterance, stop }

export const canSpeak = Boolean(engine && window.SpeechSynthesisUtterance);

// Begins to read; `ended` is called once, with "done", "no voice" or "failed". Returns a function that
// stops it, which also calls `ended`. Only one text is read at a time.
export function read(text, language, ended) {
  current?.stop();
  const reading = { utterance: null, stop: () => end("done") };
  const end = (how) => {
    if (current !== reading) return;
    current = null;
    if (reading.utterance) engine.cancel();
    ended(how);
  };
  current = reading;
  begin(reading, text, language, end);
  return reading.stop;
}

async function begin(reading, text, language, end) {
  const voice = bestVoice(await voices(), language);
  if (current !== reading) return;
  if (!voice) return end("no voice");
  const utterance = new SpeechSynthesisUtterance(text);
  utterance.voice = voice;
  utterance.lang = voice.lang;
  utterance.onend = () => end("done");
  utterance.onerror = () => end("failed");
  reading.utterance = utterance; // Chromium forgets one that nothing holds, and it never ends
  engine.speak(utterance);
}

async function voices() {
  if (!engine.getVoices().length) {
    await new Promise((resolve) => {
      engine.addEventListener?.("voiceschanged", resolve, { once: true });
      setTimeout(resolve, VOICES_WITHIN);
    });
  }
  return engine.getVoices();
}

// Other voices send the text to a server, and this page promises that nothing is sent elsewhere. The
// reader's own country comes first, then the one where most speak the language.
function bestVoice(all, language) {
  const tag = (voice) => voice.lang.replaceAll("_", "-").toLowerCase(); // Android writes en_US
  const home = `${language}-${new Intl.Locale(language).maximize().region}`;
  const wanted = [...navigator.languages, home].map((one) => one.toLowerCase());
  const rank = (voice) => {
    const at = wanted.indexOf(tag(voice));
    return at < 0 ? wanted.length : at;
  };
  return all
    .filter((voice) => voice.localService && tag(voice).split("-")[0] === language)
    .sort((one, other) => rank(one) - rank(other) || other.default - one.default)[0];
}

// Some browsers go on reading when the page has gone.
addEventListener("pagehide", () => current?.stop());
