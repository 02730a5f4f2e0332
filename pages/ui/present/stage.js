// Large type for a demo: whatever parts the data has, built node by node, so text stays text.
const make = (name, attributes = {}, ...children) => {
  const node = document.createElement(name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};
const badge = (kind, text = kind) => make("span", { class: `badge ${kind}` }, text);

const hero = ({ headline: [before, size, after], lead, decision, numbers }) => [
  make("h1", {}, before, make("b", {}, size), after),
  make("p", { class: "lead" }, lead),
  decision.length ? make("p", { class: "decision" }, make("b", {}, decision[0]), " ", decision.slice(1).join(" ")) : null,
  make("div", { class: numbers.length > 4 ? "numbers five" : "numbers" }, ...numbers.map(({ label, value, unit, note, kind, text }) => make("div", { class: "number" },
    make("h2", {}, label),
    make("p", { class: "value" }, value, " ", make("small", {}, unit)),
    make("p", { class: "note" }, note),
    badge(kind, text ?? kind),
  ))),
];

const places = ({ title, rows, note }) => make("div", { class: "part" },
  make("h3", {}, title, badge("measured")),
  ...rows.map(({ name, share, text, span, own }) => make("div", { class: own ? "place own" : "place" },
    make("span", { class: "name", title: name }, name),
    make("span", { class: "span" }, span),
    make("span", { class: "share" }, text),
    make("span", { class: "track", "aria-hidden": "true" }, make("span", { class: "fill", style: `width: ${100 * share}%` })),
  )),
  note ? make("p", { class: "foot" }, note) : null,
);

const options = ({ title, head, rows }) => make("div", { class: "part" },
  make("h3", {}, title, badge("measured", "coverage measured"), badge("estimated", "cost estimated")),
  make("table", {},
    make("thead", {}, make("tr", {}, ...head.map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...rows.map(({ chosen, size, labels, cells }) => make("tr", chosen ? { class: "chosen" } : {},
      make("td", {}, size, make("small", {}, labels)),
      ...cells.map((cell) => make("td", {}, cell)),
    ))),
  ),
);

export default function ({ data, parentElement }) {
  const parts = [];
  if (data.hero) parts.push(...hero(data.hero));
  if (data.elsewhere) parts.push(places(data.elsewhere));
  if (data.options) parts.push(options(data.options));
  if (data.foot) parts.push(make("p", { class: "foot" }, data.foot));
  parentElement.querySelector(".stage").replaceChildren(...parts.filter((part) => part !== null));
}
