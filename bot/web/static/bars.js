// How much of the window the bars at its top and bottom cover, for what must not lie under them.

const MOST = 0.4; // of the window's height; bars that need more scroll away with the page

const page = document.documentElement;
const low = matchMedia("(max-height: 30rem)"); // as in `chat.css`
const bars = { "--top": document.querySelector(".top"), "--bottom": document.querySelector(".composer") };

function measure() {
  const heights = Object.entries(bars).map(([name, bar]) => [name, bar.offsetHeight]);
  const all = heights.reduce((sum, [, height]) => sum + height, 0);
  const giveWay = all > MOST * page.clientHeight;
  page.classList.toggle("low", giveWay);
  for (const [name, height] of heights) {
    page.style.setProperty(name, `${giveWay || low.matches ? 0 : height}px`);
  }
}

const sizes = new ResizeObserver(measure);
for (const bar of Object.values(bars)) sizes.observe(bar);
addEventListener("resize", measure);
