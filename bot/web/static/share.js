// Passes a caption on to another app, with its photo where the browser can.

export const canShare = Boolean(navigator.share);

// Returns whether it was shared or the person changed their mind; the browser asks where to.
export async function shared(text, photo, name) {
  const file = new File([photo], name, { type: photo.type });
  const all = { text, files: [file] };
  try {
    await navigator.share(navigator.canShare?.(all) ? all : { text });
  } catch (error) {
    return error.name === "AbortError";
  }
  return true;
}
