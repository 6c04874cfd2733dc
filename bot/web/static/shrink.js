// Makes photos smaller that are above the server's limits; all others are sent as they are.

import { isVideo } from "./kinds.js";
import limits from "./limits.js";

const JPEG = "image/jpeg";
const QUALITY = 0.9;
const CANVAS = 2 ** 24; // pixels; Safari draws nothing on a larger canvas
const STEPS = 8;
const HEADER = 2 ** 18; // bytes in which a JPEG describes itself; it can begin with a colour profile

// Videos are not made smaller.
export async function isTooLarge(file) {
  if (await isVideo(file)) return false;
  if (file.size > limits.bytes) return true;
  const image = await load(file);
  if (!image) return false;
  const { naturalWidth: width, naturalHeight: height } = image;
  if (Math.max(width, height) > limits.side) return true;
  return width * height > limits.pixels && !(await isStreamed(file));
}

// Returns the photo as a JPEG within the limits; the file itself if this browser cannot read it, or
// has too little memory: the server says what is wrong with it. Of an animation, the first frame.
export async function smaller(file) {
  const picture = await open(file);
  if (!picture) return file;
  const { width, height } = picture;
  const pixels = Math.min(limits.pixels, CANVAS);
  let scale = Math.min(1, Math.sqrt(pixels / (width * height)), limits.side / Math.max(width, height));
  try {
    for (let step = 0; step < STEPS; step += 1) {
      const drawn = await draw(picture.source, width * scale, height * scale);
      if (drawn && drawn.size <= limits.bytes) {
        const name = `${file.name.replace(/\.[^.]*$/, "")}.jpg`;
        return new File([drawn], name, { type: JPEG, lastModified: file.lastModified });
      }
      // A JPEG has about as many bytes as pixels: with a little less, the next one fits.
      scale *= drawn ? Math.min(0.9, 0.95 * Math.sqrt(limits.bytes / drawn.size)) : 0.5;
    }
  } catch {
  } finally {
    picture.source.close?.();
  }
  return file;
}

// Both ways turn the photo upright. A bitmap is decoded beside the page's own work, but whole;
// an image can be decoded at a fraction of its size, where memory is short.
async function open(file) {
  try {
    const source = await createImageBitmap(file);
    return { source, width: source.width, height: source.height };
  } catch {
    const source = await load(file);
    return source && { source, width: source.naturalWidth, height: source.naturalHeight };
  }
}

// Returns null if this browser cannot read the file.
function load(file) {
  const image = new Image();
  const address = URL.createObjectURL(file);
  return new Promise((resolve) => {
    image.onload = () => resolve(image.naturalWidth ? image : null);
    image.onerror = () => resolve(null);
    image.src = address;
  }).finally(() => URL.revokeObjectURL(address));
}

function draw(source, width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.floor(width));
  canvas.height = Math.max(1, Math.floor(height));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff"; // where the photo is transparent, as on the server
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(source, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, JPEG, QUALITY));
}

// Whether a file is a JPEG with all its colours in one scan: the server reads these at a fraction of
// their size, whatever their pixels. See `captioner/photo/jpeg.py`.
async function isStreamed(file) {
  try {
    const bytes = new DataView(await file.slice(0, HEADER).arrayBuffer());
    let components = 0;
    if (bytes.getUint16(0) !== 0xffd8) return false;
    for (let place = 2; ; place += 2 + bytes.getUint16(place + 2)) {
      const kind = bytes.getUint16(place);
      if (kind === 0xffc0 || kind === 0xffc1) components = bytes.getUint8(place + 9);
      else if (kind === 0xffda) return components > 0 && bytes.getUint8(place + 4) === components;
      else if (kind < 0xffc0) return false;
    }
  } catch {
    return false; // the header is longer, or broken
  }
}
