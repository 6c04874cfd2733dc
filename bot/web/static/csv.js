// Tables as RFC 4180 has them, for spreadsheets.

// Excel reads a file without this mark in the code page of its machine; programs skip it.
const BYTE_ORDER_MARK = "\uFEFF";

// Returns rows of text, numbers, booleans and null as a table.
export function table(rows) {
  return BYTE_ORDER_MARK + rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

function cell(value) {
  return typeof value === "string" ? `"${harmless(value).replaceAll('"', '""')}"` : String(value ?? "");
}

// A spreadsheet computes a text that begins like a formula, also with the wide signs of Chinese and
// Japanese: a file's name could send the table elsewhere. An apostrophe makes it a text (OWASP, "CSV
// Injection").
function harmless(text) {
  return /^[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
}
