// The sentences of `bot/web/sentences.py` in the page's language, and numbers in it.

const language = document.documentElement.lang;
const { default: sentences } = await import(`./sentences.${language}.js`);
const tag = `${language}-u-nu-latn`; // with the digits of the server's own sentences
const numbers = new Intl.NumberFormat(tag);
const percents = new Intl.NumberFormat(tag, { style: "percent" });

// Returns a sentence by its name, with its values filled in.
export function say(name, values = {}) {
  return pieces(name, values).join("");
}

// The same as nodes, for values that are elements.
export function nodes(name, values) {
  return pieces(name, values).map((piece) => (piece instanceof Node ? piece : String(piece)));
}

export function percent(part) {
  return part > 0 && part < 0.005 ? say("under", { percent: percents.format(0.01) }) : percents.format(part);
}

// As the server counts them, with one decimal.
export const inMegabytes = (bytes) => Math.round((10 * bytes) / 2 ** 20) / 10;

// A language may have the values in any order.
function pieces(name, values) {
  return sentences[name]
    .split(/\{(\w+)\}/)
    .map((piece, index) => (index % 2 ? written(values[piece]) : piece));
}

function written(value) {
  return typeof value === "number" ? numbers.format(value) : value;
}
