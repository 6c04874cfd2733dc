// Stores the last photos and their captions in this browser; without a store the page works too.

const MOST = 20;
let opened;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("photo-captioner", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("thread", { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = request.onblocked = () => reject(request.error);
  });
  return opened;
}

async function work(mode, use, otherwise) {
  try {
    const transaction = (await open()).transaction("thread", mode);
    const request = use(transaction.objectStore("thread"));
    return await new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  } catch {
    return otherwise;
  }
}

// Returns the records, oldest first.
export const all = () => work("readonly", (thread) => thread.getAll(), []);

export const empty = () => work("readwrite", (thread) => thread.clear());

export const remove = (id) => work("readwrite", (thread) => thread.delete(id));

// Stores a changed record, unless it was removed, perhaps in another tab.
export const update = (record) =>
  work("readwrite", (thread) => {
    const kept = thread.getKey(record.id);
    kept.onsuccess = () => kept.result !== undefined && thread.put(record);
    return kept;
  });

export const put = (record) =>
  work("readwrite", (thread) => {
    thread.put(record);
    const ids = thread.getAllKeys();
    ids.onsuccess = () => ids.result.slice(0, -MOST).forEach((id) => thread.delete(id));
    return ids;
  });
