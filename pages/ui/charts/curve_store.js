// Decodes one counted set once and keeps it for every chart of the tab.
// Integers only up to the division, so the browser's optimum equals Python's bit by bit.
const KEPT = 6;
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;

function decode({ counts, lengths, vocab_size: size, tokens }) {
  const values = new Float64Array(bytes(counts));
  const runs = new Uint32Array(bytes(lengths));
  const coverage = new Float64Array(size);
  let covered = 0;
  for (let run = 0, k = 0; run < values.length; run++)
    for (let i = 0; i < runs[run]; i++) coverage[k++] = covered += values[run];
  const seen = runs.reduce((sum, n, run) => sum + (values[run] > 0 ? n : 0), 0);
  for (let k = 0; k < size; k++) coverage[k] /= covered;
  return { coverage, size, seen, total: covered, tokens: tokens.split("\n") };
}

export default function ({ data }) {
  const store = (window.vocabtrimCurves ??= new Map());
  if (store.has(data.id)) return;
  store.set(data.id, decode(data));
  if (store.size > KEPT) store.delete(store.keys().next().value);
  window.dispatchEvent(new CustomEvent("vocabtrim:curve", { detail: data.id }));
}
