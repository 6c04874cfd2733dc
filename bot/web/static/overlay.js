// Lays the heat over the very photo that was sent, and keeps that photo in view beside its words.

// Returns a function that takes the canvas away again.
export function lay(canvas, entry) {
  const picture = entry.querySelector(".sent img");
  const strip = picture.closest(".sent");
  // What has the focus must not end up under the photo, which stays at the top of the window.
  const sizes = new ResizeObserver(() => {
    entry.style.setProperty("--photo", `${strip.offsetHeight}px`);
  });
  picture.after(canvas);
  entry.classList.add("looking");
  sizes.observe(strip);
  return () => {
    sizes.disconnect();
    entry.classList.remove("looking");
    canvas.remove();
  };
}
