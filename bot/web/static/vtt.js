// Scenes as WebVTT, as `captioner/video/subtitles.py` writes them.

const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

// A cue ends after it begins.
export function webvtt(scenes) {
  const cues = scenes.filter(({ start, end }) => end > start).map(cue);
  return ["WEBVTT\n", ...cues].join("\n");
}

function cue({ start, end, text }) {
  const line = text.replace(/\s+/gu, " ").replace(/[&<>]/g, (letter) => ESCAPES[letter]);
  return `${time(start)} --> ${time(end)}\n${line}\n`;
}

function time(seconds) {
  const all = Math.round(1000 * seconds);
  const [hours, minutes] = [Math.floor(all / 3_600_000), Math.floor(all / 60_000) % 60];
  const rest = ((all % 60_000) / 1000).toFixed(3).padStart(6, "0");
  return `${String(hours).padStart(2, "0")}:${String(minutes).padStart(2, "0")}:${rest}`;
}
