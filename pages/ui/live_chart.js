// The live chart: native sliders commit on release only, so the chart watches their DOM and follows
// every move. All sizes are searched exactly, which takes well under a millisecond.
const SVG = "http://www.w3.org/2000/svg";
const SAMPLES = 420;
const number = new Intl.NumberFormat("en-US");
// A share below one never reads as 100%.
const percent = (share, digits = 2) => {
  const text = (100 * share).toFixed(digits);
  return share < 1 && +text === 100 ? percent(share, digits + 1) : `${text}%`;
};
const tenths = new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const megabytes = (bytes) => `${tenths.format(bytes / 1e6)} MB`;
const plural = (n, word) => `${number.format(n)} ${word}${n === 1 ? "" : "s"}`;
const instances = new WeakMap();

const element = (name, attributes = {}, text) => {
  const node = document.createElementNS(SVG, name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text !== undefined) node.textContent = text;
  return node;
};
const place = (node, attributes) => {
  for (const key in attributes) node.setAttribute(key, attributes[key]);
};

class LiveChart {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.now = { alpha: 0.5, floor: 0, k: null };
    this.watched = new Map();
    this.resize = new ResizeObserver(() => this.layout());
    this.resize.observe(this.find(".live"));
    this.onCurve = () => this.layout();
    window.addEventListener("vocabtrim:curve", this.onCurve);
    this.listen();
  }

  destroy() {
    this.resize.disconnect();
    window.removeEventListener("vocabtrim:curve", this.onCurve);
    for (const { observer } of this.watched.values()) observer.disconnect();
    clearTimeout(this.speaking);
    instances.delete(this.root);
  }

  update(data, send) {
    this.data = data;
    this.send = send;
    Object.assign(this.now, { alpha: data.alpha, floor: data.floor / 100, k: data.k });
    const alpha = (input) => (this.now.alpha = +input.value);
    const floor = (input) => (this.now.floor = +input.value / 100);
    // What the sliders show now is newer than what Python sent; an exact k is only known to Python.
    this.watch("alpha", alpha, true);
    this.watch("floor", floor, true);
    this.watch("size", (input) => {
      if (document.activeElement !== input) return;
      const size = parseInt((input.getAttribute("aria-valuetext") ?? "").replaceAll(/\D/g, ""), 10);
      this.now.k = Number.isNaN(size) ? null : size;
    });
    this.layout();
  }

  // Follows one slider; `.st-key-<key>` is Streamlit's documented class, the input may be replaced.
  watch(key, read, atOnce) {
    const box = document.querySelector(`.st-key-${key}`);
    const shown = box?.querySelector("input[type=range]");
    if (atOnce && shown) read(shown);
    const known = this.watched.get(key);
    if (known?.box === box && box?.isConnected) return;
    known?.observer.disconnect();
    this.watched.delete(key);
    if (!box) return;
    const observer = new MutationObserver(() => {
      const input = box.querySelector("input[type=range]");
      if (!input || !this.curve) return;
      const began = performance.now();
      read(input);
      this.draw();
      this.find(".live").dataset.drawMs = (performance.now() - began).toFixed(2);
    });
    observer.observe(box, { subtree: true, attributes: true, attributeFilter: ["aria-valuetext", "value"] });
    this.watched.set(key, { box, observer });
  }

  // ---- the maths: the same operations, in the same order, as vocabtrim_core/tradeoff.py
  flops(k) { return 2 * (this.data.fixed_weights + this.data.hidden_size * k); }
  coverage(k) { return this.curve.coverage[k - 1]; }
  reduction(k) { return 1 - this.flops(k) / this.full; }
  utility(k) { return this.now.alpha * this.coverage(k) + (1 - this.now.alpha) * this.reduction(k); }

  search() {
    const { k_min: first, k_max: last } = this.data;
    const { alpha, floor } = this.now;
    const { coverage } = this.curve;
    const { fixed_weights: fixed, hidden_size: width } = this.data;
    let best = null;
    let most = -1;
    for (let k = first; k <= last; k++) {
      if (coverage[k - 1] < floor) continue;
      const value = alpha * coverage[k - 1] + (1 - alpha) * (1 - (2 * (fixed + width * k)) / this.full);
      if (value > most) { most = value; best = k; }
    }
    return best;
  }

  smallestReaching(floor) {
    let low = 0;
    let high = this.curve.size - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.curve.coverage[middle] >= floor) high = middle; else low = middle + 1;
    }
    return low + 1;
  }

  // ---- geometry
  x(k) {
    const { left, width, low, size } = this.box;
    const share = this.data.log ? Math.log(k / low) / Math.log(size / low) : (k - 1) / (size - 1);
    return left + Math.max(0, Math.min(1, share)) * width;
  }
  y(share) { return this.box.top + (1 - share) * this.box.height; }
  at(pixel) {
    const { left, width, low, size } = this.box;
    const share = Math.max(0, Math.min(1, (pixel - left) / width));
    const k = this.data.log ? low * (size / low) ** share : 1 + share * (size - 1);
    return Math.max(1, Math.min(size, Math.round(k)));
  }

  layout() {
    this.curve = window.vocabtrimCurves?.get(this.data?.curve);
    const live = this.find(".live");
    const { still, zoom = 1 } = this.data ?? {};
    live.classList.toggle("still", Boolean(still));
    const wide = live.clientWidth / (live.clientWidth < 620 ? 1 : zoom);
    if (!this.curve || !wide) return;
    const narrow = wide < (still ? 520 : 620);
    live.classList.toggle("narrow", narrow);
    this.full = this.flops(this.curve.size);
    const tall = narrow ? 330 : Math.max(360, Math.min(470, wide * 0.44));
    const left = narrow ? 40 : 46;
    const right = narrow ? 12 : 132;
    const top = narrow ? 12 : 60;
    const bottom = 74;
    this.box = {
      left, top, wide, tall, narrow, size: this.curve.size, low: this.data.log ? 10 : 1,
      width: wide - left - right, height: tall - top - bottom,
    };
    const svg = this.find("svg");
    place(svg, { viewBox: `0 0 ${wide} ${tall}`, height: (tall * live.clientWidth) / wide });
    const frame = { x: left, y: top, width: this.box.width, height: this.box.height };
    place(this.find("#frame rect"), { ...frame, y: top - 4, height: frame.height + 8 });
    Object.assign(this.find(".probe").style, {
      left: `${left}px`, top: `${top}px`, width: `${frame.width}px`, height: `${frame.height}px`,
    });
    this.find(".probe").setAttribute("aria-valuemax", this.curve.size);
    const { low, size } = this.box;
    this.samples = [...new Set(Array.from({ length: SAMPLES }, (_, i) => Math.round(
      this.data.log ? low * (size / low) ** (i / (SAMPLES - 1)) : 1 + (i / (SAMPLES - 1)) * (size - 1),
    )))];
    if (!this.data.log) this.samples = [...new Set([...this.samples, ...Array.from({ length: 120 }, (_, i) => Math.round(size ** (i / 119)))])].sort((a, b) => a - b);
    this.drawFrame();
    this.trace(".reduction", (k) => this.reduction(k));
    this.trace(".coverage", (k) => this.coverage(k));
    this.draw();
  }

  trace(selector, value) {
    let path = "";
    for (const k of this.samples) path += `${path ? "L" : "M"}${this.x(k).toFixed(1)},${this.y(value(k)).toFixed(1)}`;
    this.find(`.curve${selector}`).setAttribute("d", path);
  }

  drawFrame() {
    const { left, top, width, height, size, low, narrow } = this.box;
    const grid = this.find(".grid");
    const axes = this.find(".axes");
    grid.replaceChildren();
    axes.replaceChildren();
    const bottom = top + height;
    for (let tick = 0; tick <= 100; tick += 20) {
      const y = this.y(tick / 100);
      grid.append(element("line", { x1: left, x2: left + width, y1: y, y2: y }));
      axes.append(element("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, `${tick}%`));
    }
    const mark = (k, major, label) => {
      const x = this.x(k);
      grid.append(element("line", { x1: x, x2: x, y1: top, y2: bottom, class: major ? "" : "minor" }));
      if (label) axes.append(element("text", { x, y: bottom + 18, "text-anchor": "middle" }, number.format(k)));
    };
    if (this.data.log) {
      for (let decade = low; decade < size; decade *= 10)
        for (let step = 1; step < 10 && decade * step <= size; step++) mark(decade * step, step === 1, step === 1);
    } else {
      const step = narrow ? 50000 : 20000;
      for (let k = step; k <= size; k += step) mark(k, true, true);
    }
    axes.append(element("line", { x1: left, x2: left + width, y1: bottom, y2: bottom }));
    const scale = this.data.log ? "log" : "linear";
    const title = narrow ? `Size k (${scale})` : `Draft vocabulary size k, tokens (${scale} scale)`;
    axes.append(element("text", { x: left, y: bottom + 62, class: "title" }, title));
    if (!narrow) axes.append(element("text", { x: left - 38, y: top - 14, class: "title" }, "Share"));
    this.drawPresets();
    for (const [selector, from, to] of [[".low", 1, this.data.k_min], [".high", this.data.k_max, size]]) {
      const x = this.x(from);
      const span = to > from ? this.x(to) - x : 0;
      place(this.find(`.bounds${selector}`), { x, y: top, width: span, height });
    }
  }

  drawPresets() {
    const { top, height, narrow, left, width } = this.box;
    const group = this.find(".presets");
    group.replaceChildren();
    // Right to left, so that a leader never crosses the label of a smaller size.
    const taken = [Infinity, Infinity, Infinity];
    for (const { k, label } of this.data.presets.toReversed()) {
      const x = this.x(k);
      let reach = top;
      if (!narrow) {
        const text = element("text", {});
        text.append(element("tspan", { class: "size" }, number.format(k)), element("tspan", { dx: 5 }, label));
        group.append(text);
        const long = text.getComputedTextLength();
        const row = taken.findIndex((from) => x + long + 14 < from);
        const start = row < 0 ? x - 4 - long : Math.min(x + 4, left + width + 128 - long);
        taken.fill(start, 0, Math.max(0, row) + 1);
        place(text, { x: start, y: top - 12 - 15 * Math.max(0, row) });
        reach = top - 22 - 15 * Math.max(0, row);
      }
      group.append(element("line", { x1: x, x2: x, y1: reach, y2: top + height }));
    }
  }

  // ---- everything a slider moves
  draw() {
    const { now, data, box } = this;
    this.best = this.search();
    const k = now.k ?? this.best;
    this.trace(".utility", (size) => this.utility(size));
    this.drawFloor();
    this.mark(".optimum", this.best, 0);
    const crowded = now.k && this.best && Math.abs(this.x(now.k) - this.x(this.best)) < 76;
    this.mark(".manual", now.k, crowded ? 1 : 0);
    this.drawEnds();
    this.find(".release").hidden = !now.k;
    this.fill(k);
    this.find("#chart-title").textContent = k ? this.sentence(k) : this.unreachable();
    this.find(".live").dataset.k = k ?? "";
    this.find(".live").dataset.optimum = this.best ?? "";
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => (this.find(".announce").textContent = this.find("#chart-title").textContent), 600);
  }

  drawFloor() {
    const { left, top, width, height, narrow } = this.box;
    const { floor } = this.now;
    const line = this.find(".floor");
    const label = this.find(".floor-label");
    const shade = this.find(".infeasible");
    const note = this.find(".infeasible-label");
    const off = floor <= 0;
    for (const node of [line, label, shade, note]) node.setAttribute("visibility", off ? "hidden" : "visible");
    if (off) return;
    const y = this.y(floor);
    const span = this.x(this.smallestReaching(floor)) - left;
    place(line, { x1: left, x2: left + width, y1: y, y2: y });
    place(shade, { x: left, y: top, width: span, height });
    place(label, { x: left + 8, y: floor > 0.9 ? y + 15 : y - 6 });
    label.textContent = narrow ? `floor ${percent(floor, 1)}` : `coverage floor ${percent(floor, 1)}`;
    place(note, { x: left + 8, y: top + height - 10 });
    note.textContent = span > 130 ? "below the floor" : "";
  }

  mark(selector, k, row) {
    const group = this.find(selector);
    if (!k) return group.setAttribute("visibility", "hidden");
    const { top, height, wide } = this.box;
    const x = this.x(k);
    const bottom = top + height;
    if (!group.firstChild) {
      group.append(
        element("line"), element("circle", { r: 4.5 }), element("circle", { r: 4.5 }), element("circle", { r: 6 }),
        element("rect", { class: "pill", height: 20 }), element("text", { class: "pill-text" }),
      );
    }
    const [line, ...rest] = group.children;
    place(line, { x1: x, x2: x, y1: top, y2: bottom + 24 + 22 * row });
    [this.reduction(k), this.coverage(k), this.utility(k)].forEach((share, i) => place(rest[i], { cx: x, cy: this.y(share) }));
    const text = number.format(k);
    const long = 14 + 7.2 * text.length;
    const centre = Math.max(long / 2, Math.min(wide - long / 2, x));
    place(rest[3], { x: centre - long / 2, y: bottom + 24 + 22 * row, width: long });
    place(rest[4], { x: centre, y: bottom + 38 + 22 * row });
    rest[4].textContent = text;
    group.setAttribute("visibility", "visible");
  }

  drawEnds() {
    const group = this.find(".ends");
    group.replaceChildren();
    const { left, width, size, narrow } = this.box;
    if (narrow) return;
    const labels = [
      ["coverage", "Coverage C", this.coverage(size)],
      ["utility", "Utility U", this.utility(size)],
      ["sub", "FLOPs saved R", this.reduction(size)],
    ].map(([name, text, share]) => ({ name, text, y: this.y(share) + 4 })).sort((a, b) => a.y - b.y);
    for (let i = 1; i < labels.length; i++) labels[i].y = Math.max(labels[i].y, labels[i - 1].y + 16);
    const over = labels.at(-1).y - (this.y(0) + 4);
    if (over > 0) for (let i = labels.length - 1, limit = this.y(0) + 4; i >= 0; i--, limit -= 16) labels[i].y = Math.min(labels[i].y, limit);
    for (const { name, text, y } of labels) group.append(element("text", { x: left + width + 10, y, class: name }, text));
  }

  fill(k) {
    const { data, curve, now } = this;
    const tile = (name, value, note) => {
      this.find(`[data-tile=${name}] output`).textContent = value;
      this.find(`[data-tile=${name}] p`).textContent = note;
    };
    const badge = this.find("[data-tile=k] .badge");
    if (!k) {
      for (const name of ["k", "coverage", "reduction", "utility", "head"]) tile(name, "–", "");
      tile("k", "none", this.unreachable());
      badge.textContent = "no feasible size";
      return;
    }
    const saved = this.reduction(k);
    tile("k", number.format(k), `tokens, ${percent(k / curve.size, 1)} of ${number.format(curve.size)}`);
    badge.textContent = now.k ? (this.feasible(k) ? "your choice" : "your choice, not feasible") : "exact optimum";
    tile("coverage", percent(this.coverage(k)), `of ${number.format(curve.total)} counted tokens`);
    tile("reduction", percent(saved, 1), `per step, against all ${number.format(curve.size)}`);
    const behind = this.best ? this.utility(this.best) - this.utility(k) : 0;
    const against = now.k && this.best ? `${behind.toFixed(4)} below the optimum` : `at alpha ${now.alpha.toFixed(2)}, 0 to 1`;
    tile("utility", this.utility(k).toFixed(4), against);
    const head = data.bytes_per_weight * data.hidden_size;
    tile("head", megabytes(head * k), `down from ${megabytes(head * curve.size)}`);
  }

  feasible(k) { return k >= this.data.k_min && k <= this.data.k_max && this.coverage(k) >= this.now.floor; }

  sentence(k) {
    return `${plural(k, "token")} of ${number.format(this.curve.size)}: coverage ${percent(this.coverage(k))}, `
      + `draft FLOPs saved ${percent(this.reduction(k), 1)}, utility ${this.utility(k).toFixed(4)} at alpha ${this.now.alpha.toFixed(2)}.`;
  }

  unreachable() {
    const { k_max: last } = this.data;
    return `The floor is out of reach: ${plural(last, "token")} cover ${percent(this.coverage(last))}.`;
  }

  // ---- crosshair and choosing
  listen() {
    const probe = this.find(".probe");
    const from = (event) => this.at(event.clientX - this.find("svg").getBoundingClientRect().left);
    probe.onpointermove = (event) => {
      if (!this.curve) return;
      const k = from(event);
      if (probe.hasPointerCapture(event.pointerId)) { this.now.k = k; this.draw(); }
      this.read(k);
    };
    probe.onpointerdown = (event) => {
      if (!this.curve || event.button) return;
      probe.setPointerCapture(event.pointerId);
      this.now.k = from(event);
      this.draw();
    };
    probe.onpointerup = (event) => this.curve && this.choose(from(event));
    probe.onpointerleave = () => this.read(null);
    probe.onblur = () => this.read(null);
    probe.onfocus = () => this.curve && probe.matches(":focus-visible") && this.read(this.reading ?? this.now.k ?? this.best);
    probe.onkeydown = (event) => {
      if (!this.curve) return;
      const k = this.reading ?? this.now.k ?? this.best ?? 1;
      const stride = Math.max(1, Math.round(k * (event.shiftKey ? 0 : 0.02)));
      const next = {
        ArrowRight: k + stride, ArrowUp: k + stride, ArrowLeft: k - stride, ArrowDown: k - stride,
        PageUp: Math.round(k * 1.5), PageDown: Math.round(k / 1.5), Home: 1, End: this.curve.size,
      }[event.key];
      if (next !== undefined) this.read(Math.max(1, Math.min(this.curve.size, next)));
      else if (event.key === "Enter" || event.key === " ") this.choose(k);
      else if (event.key === "Escape") this.read(null);
      else return;
      event.preventDefault();
    };
    this.find(".release").onclick = () => this.choose(0);
    this.find(".copy").onclick = ({ target }) => this.copy(target);
  }

  choose(k) {
    this.now.k = k || null;
    this.draw();
    this.send("picked", k);
  }

  read(k) {
    this.reading = k;
    const readout = this.find(".readout");
    readout.hidden = !k;
    if (!k) return this.find(".hover").setAttribute("visibility", "hidden");
    const { curve, box } = this;
    this.mark(".hover", k, 0);
    const share = k <= curve.seen ? (this.coverage(k) - (k > 1 ? this.coverage(k - 1) : 0)) : 0;
    const rows = [
      ["Size k", number.format(k)], ["Coverage", percent(this.coverage(k), 3)],
      ["FLOPs saved", percent(this.reduction(k), 2)], ["Utility", this.utility(k).toFixed(5)],
      [`Token at rank ${number.format(k)}`, curve.tokens[k - 1] ?? "not seen", "token"],
      ["Its share", share ? percent(share, share < 1e-4 ? 5 : 3) : "0%"],
    ];
    readout.replaceChildren(...rows.flatMap(([name, value, kind]) => {
      const term = document.createElement("dt");
      const detail = document.createElement("dd");
      term.textContent = name;
      detail.textContent = value;
      if (kind) detail.className = kind;
      return [term, detail];
    }));
    const x = this.x(k);
    const left = x + 16 + readout.offsetWidth < box.wide ? x + 16 : Math.max(0, x - 16 - readout.offsetWidth);
    readout.style.transform = `translate(${left}px, ${box.top + box.height - readout.offsetHeight - 12}px)`;
    place(this.find(".probe"), { "aria-valuenow": k, "aria-valuetext": `${this.sentence(k)} Token at this rank: ${rows[4][1]}` });
  }

  async copy(button) {
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(location.href);
      button.textContent = "Link copied";
    } catch {
      button.textContent = "Copy it from the address bar";
    }
    setTimeout(() => (button.textContent = label), 2500);
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  let chart = instances.get(parentElement);
  if (!chart) instances.set(parentElement, (chart = new LiveChart(parentElement)));
  chart.update(data, setTriggerValue);
  return () => chart.destroy();
}
