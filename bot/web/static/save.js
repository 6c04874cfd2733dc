// Saves a text as a file.

const RELEASED_AFTER = 60_000; // milliseconds; Safari reads the file some time after the click

export function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), RELEASED_AFTER);
}
