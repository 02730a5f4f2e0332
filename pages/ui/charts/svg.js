// Numbers as people read them, and nodes built one by one, so that text stays text.
const SVG = "http://www.w3.org/2000/svg";
const number = new Intl.NumberFormat("en-US");
// A share below one never reads as 100%. What lies within 1e-12 of one or zero is rounding of a sum.
const percent = (share, digits = 2) => {
  const rounded = Math.round(share * 1e12) / 1e12;
  const text = (100 * rounded).toFixed(digits);
  return rounded < 1 && +text === 100 ? percent(rounded, digits + 1) : `${text}%`;
};

const element = (name, attributes = {}, text) => {
  const node = document.createElementNS(SVG, name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text !== undefined) node.textContent = text;
  return node;
};
const place = (node, attributes) => {
  for (const key in attributes) node.setAttribute(key, attributes[key]);
};
const html = (name, kind, text) => {
  const node = document.createElement(name);
  if (kind) node.className = kind;
  if (text !== undefined) node.textContent = text;
  return node;
};
