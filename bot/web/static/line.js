// Photos wait here for their turn: two at once are asked about, in the order in which they came.

const AT_ONCE = 2;

let inFlight = 0;
let held = false;
let last = 0;
const line = [];

// Returns a place in the line. A photo that is asked about again keeps its own.
export const place = () => (last += 1);

// Does some work when its turn has come. Throws what the work throws, or AbortError.
export async function inTurn(at, signal, work) {
  signal.throwIfAborted();
  await turn(at, signal);
  try {
    return await work();
  } finally {
    inFlight -= 1;
    advance();
  }
}

export const isEmpty = () => line.length === 0;

export function hold() {
  held = true;
}

export function goOn() {
  held = false;
  advance();
}

function turn(at, signal) {
  return new Promise((resolve, reject) => {
    const one = { at, resolve };
    const behind = line.findIndex((other) => other.at > at);
    line.splice(behind < 0 ? line.length : behind, 0, one);
    signal.addEventListener(
      "abort",
      () => {
        if (line.includes(one)) line.splice(line.indexOf(one), 1);
        reject(signal.reason);
      },
      { once: true },
    );
    advance();
  });
}

function advance() {
  while (!held && inFlight < AT_ONCE && line.length) {
    inFlight += 1;
    line.shift().resolve();
  }
}
