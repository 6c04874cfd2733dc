// Keeps the page itself, so that it opens without a connection and can be installed. The server writes
// SHELL before this line: the version of everything kept, the addresses of the files, and the hash of
// the page in each language. Photos and answers of the API never come here.

const KEPT = "shell-";
const CACHE = `${KEPT}${SHELL.version}`;
const SHARED = "shared"; // as in shared.js; the page empties it at once
const PAGE = "/";
const PATIENCE = 4000; // milliseconds; a server that hangs is as good as none
const files = new Set(SHELL.files);

// From the server, and not from the cache of the browser: all of one version.
async function install() {
  const cache = await caches.open(CACHE);
  const page = await fetch(PAGE, { cache: "no-cache" });
  if (isOurs(page)) await cache.put(PAGE, page);
  await cache.addAll(SHELL.files.map((address) => new Request(address, { cache: "no-cache" })));
  await self.skipWaiting(); // what is kept is used only without a server, so it cannot mix versions
}

async function activate() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(KEPT) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await self.clients.claim();
}

// A proxy may show its own page here, and a new version of the bot a page that needs its new files.
function isOurs(page) {
  const tag = page.headers.get("ETag") ?? "";
  return page.ok && SHELL.pages.some((hash) => tag.includes(hash));
}

// The server's answer; if there is none in time, what was kept.
async function answer(request, address) {
  let said;
  try {
    said = await patiently(fetch(request), address);
  } catch (error) {
    said = error;
  }
  if (said instanceof Response && said.status < 500) {
    if (address === PAGE && isOurs(said)) await keepPage(said.clone());
    return said;
  }
  const kept = await caches.match(address, { cacheName: CACHE, ignoreVary: true });
  if (kept) return kept;
  if (said instanceof Response) return said;
  throw said;
}

// Waits for an answer, but not for long if there is something that was kept.
async function patiently(answering, address) {
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE));
  const said = await Promise.race([answering, late]);
  if (said) return said;
  if (await caches.match(address, { cacheName: CACHE, ignoreVary: true })) throw new Error("late");
  return answering;
}

// In the language in which it was opened last.
async function keepPage(page) {
  try {
    await (await caches.open(CACHE)).put(PAGE, page);
  } catch {} // there is no room; the page that was kept before stays
}

// Another program shares photos or videos. The page has the token, so it sends them; until then they
// wait here.
async function share(request) {
  try {
    const photos = (await request.formData()).getAll("photos");
    const cache = await caches.open(SHARED);
    const now = Date.now();
    for (const [index, photo] of photos.entries()) {
      const headers = { "Content-Type": photo.type, "X-Name": encodeURIComponent(photo.name) };
      await cache.put(`/shared/${now}/${index}`, new Response(photo, { headers }));
    }
    return Response.redirect(PAGE, 303);
  } catch {
    return Response.redirect(`${PAGE}#not-shared`, 303);
  }
}

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (origin !== self.location.origin) return;
  if (request.method === "POST" && pathname === "/share") event.respondWith(share(request));
  if (request.method !== "GET") return;
  const isPage = pathname === PAGE && request.mode === "navigate";
  if (isPage || files.has(pathname)) event.respondWith(answer(request, pathname));
});
