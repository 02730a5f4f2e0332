// Decodes one counted set for mixing: sorted ids as gaps, their counts, both deflated. Kept for the
// tab; every chart that waits for it is told.
const KEPT = 12;
const inflate = async (text) => {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
};

async function decode({ gaps, counts, tokens }) {
  const ids = new Uint32Array(await inflate(gaps));
  for (let i = 1; i < ids.length; i++) ids[i] += ids[i - 1];
  const share = Float64Array.from(new Float64Array(await inflate(counts)), (count) => count / tokens);
  return { ids, share };
}

export default async function ({ data }) {
  const store = (window.vocabtrimSets ??= new Map());
  for (const set of data.sets) if (!store.has(set.id)) store.set(set.id, await decode(set));
  while (store.size > KEPT) store.delete(store.keys().next().value);
  window.dispatchEvent(new CustomEvent("vocabtrim:sets"));
}
