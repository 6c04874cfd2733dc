// Photos that another program shared with the page, while it is an app: the service worker has them.

const SHARED = "shared"; // as in service-worker.js

// Returns the photos, each once.
export async function shared() {
  try {
    if (!(await caches.has(SHARED))) return [];
    const kept = await (await caches.open(SHARED)).matchAll();
    const photos = await Promise.all(kept.map(photoOf));
    await caches.delete(SHARED);
    return photos;
  } catch {
    return []; // browsers have no caches on plain http
  }
}

async function photoOf(kept) {
  const name = decodeURIComponent(kept.headers.get("X-Name"));
  const photo = await kept.blob();
  return new File([photo], name, { type: photo.type });
}
