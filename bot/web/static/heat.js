// Brightens a photo where the attention is high, as `captioner.explain` does on the server, and
// outlines that part: where a photo is dark, brightness alone would not show it.

const WARM = [255, 176, 64];
const LUMA = [0.299, 0.587, 0.114]; // ITU-R BT.601
const DARKEST = 0.28;
const WARMTH = 0.16;
const MOST_PIXELS = 400_000; // few enough to draw again in every frame
const FADE = 240; // milliseconds
const OUTLINE = 0.5; // of the peak
// Light between dark: one of them has contrast with any photo, and both with each other (11:1).
const LINE = [255, 207, 138];
const HALO = [36, 31, 26];
const [LINE_ENDS, HALO_ENDS] = [1, 2.25]; // on either side, in the page's pixels

export class Heat {
  #canvas;
  #context;
  #photo; // its pixels, RGBA
  #shown = null;
  #frame = 0;

  // The image may be null: a grey area takes the place of the photo then.
  constructor(canvas, image) {
    const [width, height] = image ? [image.naturalWidth, image.naturalHeight] : [4, 3];
    const scale = Math.min(image ? 1 : Infinity, Math.sqrt(MOST_PIXELS / (width * height)));
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { willReadFrequently: true });
    this.#context.fillStyle = image ? "white" : "#999";
    this.#context.fillRect(0, 0, canvas.width, canvas.height);
    if (image) this.#context.drawImage(image, 0, 0, canvas.width, canvas.height);
    this.#photo = this.#context.getImageData(0, 0, canvas.width, canvas.height).data;
  }

  // Shows one map (rows of columns), fading from the previous one if `fade` is true.
  show(map, fade) {
    cancelAnimationFrame(this.#frame);
    const goal = scaled(map);
    const from = this.#shown;
    if (!fade || !from) return this.#draw(goal);
    const started = performance.now();
    const step = (now) => {
      const part = Math.min(1, Math.max(0, (now - started) / FADE));
      const eased = part * part * (3 - 2 * part);
      this.#draw(goal.map((row, y) => row.map((v, x) => from[y][x] + (v - from[y][x]) * eased)));
      if (part < 1) this.#frame = requestAnimationFrame(step);
    };
    this.#frame = requestAnimationFrame(step);
  }

  #draw(map) {
    this.#shown = map;
    const { width, height } = this.#canvas;
    const weights = smooth(map, width, height);
    const lit = this.#context.createImageData(width, height);
    const [photo, out] = [this.#photo, lit.data];
    for (let pixel = 0, at = 0; pixel < weights.length; pixel += 1, at += 4) {
      const weight = weights[pixel];
      const grey =
        (photo[at] * LUMA[0] + photo[at + 1] * LUMA[1] + photo[at + 2] * LUMA[2]) * DARKEST;
      for (let c = 0; c < 3; c += 1) {
        const colour = photo[at + c];
        const warm = colour + (WARM[c] - colour) * WARMTH * weight;
        out[at + c] = grey + (warm - grey) * weight;
      }
      out[at + 3] = 255;
    }
    outline(out, weights, width, width / (this.#canvas.clientWidth || width));
    this.#context.putImageData(lit, 0, 0);
  }
}

// Returns the name of the sentence for the part of the photo in which a map is brightest.
export function whereabouts(map) {
  const cells = map.flat();
  const peak = Math.max(...cells);
  if (peak < 2 / cells.length) return "everywhere";
  const at = cells.indexOf(peak);
  const columns = map[0].length;
  const down = third(Math.floor(at / columns), map.length, ["upper", "middle", "lower"]);
  return `${down}_${third(at % columns, columns, ["left", "middle", "right"])}`;
}

// Draws the line on which the weights are OUTLINE; `scale` is how many pixels make one of the page.
function outline(out, weights, width, scale) {
  for (let pixel = width; pixel < weights.length - width; pixel += 1) {
    const above = Math.abs(weights[pixel] - OUTLINE);
    if (above > 0.25) continue; // no line is as wide as that
    if (pixel % width === 0 || pixel % width === width - 1) continue;
    const across = weights[pixel + 1] - weights[pixel - 1];
    const down = weights[pixel + width] - weights[pixel - width];
    const distance = (2 * above) / (Math.hypot(across, down) || 1e-12) / scale;
    if (distance > HALO_ENDS + 1) continue;
    const [halo, line] = [HALO_ENDS, LINE_ENDS].map((end) => clamp(end + 0.5 - distance));
    for (let c = 0; c < 3; c += 1) {
      const ground = out[4 * pixel + c] + (HALO[c] - out[4 * pixel + c]) * halo;
      out[4 * pixel + c] = ground + (LINE[c] - ground) * line;
    }
  }
}

function clamp(part) {
  return Math.min(1, Math.max(0, part));
}

function third(index, size, names) {
  return names[Math.floor(((index + 0.5) / size) * 3)];
}

function scaled(map) {
  const peak = Math.max(...map.flat()) || 1;
  return map.map((row) => row.map((weight) => weight / peak));
}

// Bicubic, half-pixel centres, as PyTorch's interpolate: (height * width) from 0 to 1.
function smooth(map, width, height) {
  const [down, across] = [taps(map.length, height), taps(map[0].length, width)];
  const columns = map[0].length;
  const row = new Float32Array(columns);
  const spread = new Float32Array(width * height);
  let peak = 1e-12;
  for (let y = 0, at = 0; y < height; y += 1) {
    for (let c = 0; c < columns; c += 1) {
      row[c] = 0;
      for (let tap = 4 * y; tap < 4 * y + 4; tap += 1) {
        row[c] += map[down.index[tap]][c] * down.weight[tap];
      }
    }
    for (let x = 0; x < width; x += 1, at += 1) {
      let sum = 0;
      for (let tap = 4 * x; tap < 4 * x + 4; tap += 1) {
        sum += row[across.index[tap]] * across.weight[tap];
      }
      spread[at] = Math.max(0, sum);
      peak = Math.max(peak, sum);
    }
  }
  return spread.map((value) => value / peak);
}

function taps(from, to) {
  const index = new Int32Array(4 * to);
  const weight = new Float32Array(4 * to);
  for (let place = 0; place < to; place += 1) {
    const centre = ((place + 0.5) * from) / to - 0.5;
    const first = Math.floor(centre) - 1;
    for (let tap = 0; tap < 4; tap += 1) {
      index[4 * place + tap] = Math.min(from - 1, Math.max(0, first + tap));
      weight[4 * place + tap] = cubic(Math.abs(centre - first - tap));
    }
  }
  return { index, weight };
}

// Keys' kernel with a = -0.75.
function cubic(x) {
  if (x <= 1) return (1.25 * x - 2.25) * x * x + 1;
  return x < 2 ? ((-0.75 * x + 3.75) * x - 6) * x + 3 : 0;
}
