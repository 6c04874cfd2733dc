// One HTML page with photos and their captions, which needs no other file and runs no script.

import { plain, whole } from "./caption.js";
import { frameAt } from "./frames.js";
import { here, mark } from "./language.js";
import { escaped } from "./markup.js";
import { say } from "./say.js";
import { AFTER } from "./scenes.js";

// The longer side in pixels: a photo as wide as most windows is a few hundred kilobytes.
const LONGEST = 1280;
const QUALITY = 0.85;

const STYLE = `
:root { color-scheme: light dark; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; font: 1.125rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.375rem; }
figure { margin: 2.5rem 0; }
img { display: block; max-width: 100%; height: auto; }
figcaption { margin-top: .6rem; overflow-wrap: anywhere; }
`;

// Returns the page. A photo that this browser cannot show has its name in its place.
export async function album(records, date) {
  const figures = [];
  for (const record of records) figures.push(await figure(record)); // one large picture at a time
  const title = escaped(`${say("thread")}, ${date}`);
  return `<!doctype html>
<html ${attributes(here)}>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${figures.join("\n")}
</main>
</body>
</html>
`;
}

async function figure(record) {
  const { name, answer } = record;
  const picture = scaled(await opened(record));
  const marks = attributes(answer.language);
  const shown = picture
    ? `<img src="${picture.address}" width="${picture.width}" height="${picture.height}" alt="${escaped(plain(record))}" ${marks}>`
    : `<p dir="auto">${escaped(name || say("photo"))}</p>`;
  return `<figure>\n${shown}\n<figcaption ${marks}>${escaped(whole(record))}</figcaption>\n</figure>`;
}

function attributes(code) {
  const { lang, dir } = mark(document.createElement("p"), code);
  return `lang="${escaped(lang)}" dir="${dir}"`;
}

// Of a video, a frame that its story is about; null if this browser cannot show the file.
async function opened({ photo, isVideo, answer: { scenes } }) {
  const picture = isVideo ? await frameAt(photo, (scenes?.[0].frame ?? 0) + AFTER) : photo;
  return createImageBitmap(picture).catch(() => null);
}

// Returns a JPEG as a data address. It is drawn again: what the camera wrote into the file, such as
// where the photo was taken, stays out.
function scaled(bitmap) {
  if (!bitmap) return null;
  const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const brush = canvas.getContext("2d");
  brush.fillStyle = "#fff"; // behind a picture with transparent parts
  brush.fillRect(0, 0, canvas.width, canvas.height);
  brush.imageSmoothingQuality = "high";
  brush.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const { width, height } = canvas;
  return { address: canvas.toDataURL("image/jpeg", QUALITY), width, height };
}
