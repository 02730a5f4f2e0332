// Text in coloured pieces. Every character goes through textContent, whatever the corpus holds.
export default function ({ data, parentElement }) {
  const box = parentElement.querySelector(".marked");
  box.setAttribute("aria-label", data.alt);
  box.style.maxHeight = data.height ? `${data.height}px` : "";
  box.replaceChildren(...data.pieces.map(([text, kind, note]) => {
    const piece = document.createElement("span");
    piece.textContent = text;
    if (kind) piece.className = kind;
    if (note) piece.title = note;
    return piece;
  }));
  const first = box.querySelector(".counted");
  box.scrollTop = first && data.height ? Math.max(0, first.offsetTop - box.offsetTop - data.height / 2) : 0;
}
