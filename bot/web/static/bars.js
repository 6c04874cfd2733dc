// How much of the window the bars at its top and bottom cover, for what must not lie under them.

const MOST = 0.4; // of the window's height; bars that need more scroll away with the page

const page = document.documentElement;
const bars = { "--top": document.querySelector(".top"), "--bottom": document.querySelector(".composer") };

function measure() {
  const heights = Object.values(bars).map((bar) => bar.offsetHeight);
  const all = heights.reduce((sum, height) => sum + height);
  page.classList.toggle("low", all > MOST * page.clientHeight);
  for (const [name, bar] of Object.entries(bars)) {
    const covers = getComputedStyle(bar).position === "sticky";
    page.style.setProperty(name, `${covers ? bar.offsetHeight : 0}px`);
  }
}

const sizes = new ResizeObserver(measure);
for (const bar of Object.values(bars)) sizes.observe(bar);
addEventListener("resize", measure);
