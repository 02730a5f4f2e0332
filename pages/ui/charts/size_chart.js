// What charts over the draft vocabulary size share: scales, axes, known sizes, markers, a crosshair
// for mouse, touch and keyboard. A chart extends SizeChart and says what it draws and reads out.
const SAMPLES = 420;
const instances = new WeakMap();

// A subclass has: size (V), low (left end of the log axis), span ([least, most] of the y axis),
// yTicks() -> [[value, label]], yTitle, draw(), heights(k) -> values to dot, rows(k) -> readout,
// sentence(k), focus (the size the keyboard starts from); where sizes can be chosen choose(k), and
// drag(k) while the pointer is down.
class SizeChart {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.watched = new Map();
    this.margin = 132; // right of the curves, for what they are called
    this.resize = new ResizeObserver(() => this.layout());
    this.resize.observe(this.find(".live"));
    this.listen();
  }

  destroy() {
    this.resize.disconnect();
    for (const { observer } of this.watched.values()) observer.disconnect();
    clearTimeout(this.speaking);
    instances.delete(this.root);
  }

  // Streamlit's sliders commit on release only, so their DOM is watched; `.st-key-<key>` is its
  // documented class, and the input inside may be replaced. What a slider shows now is newer than
  // what Python sent, so it is read at once, unless it shows less than Python knows.
  watch(key, read, atOnce = true) {
    const box = document.querySelector(`.st-key-${key}`);
    const shown = box?.querySelector("input[type=range]");
    if (atOnce && shown) read(+shown.value, shown);
    const known = this.watched.get(key);
    if (known?.box === box && box?.isConnected) return;
    known?.observer.disconnect();
    this.watched.delete(key);
    if (!box) return;
    const observer = new MutationObserver(() => {
      const input = box.querySelector("input[type=range]");
      if (!input || !this.ready) return;
      const began = performance.now();
      read(+input.value, input);
      this.moved();
      this.find(".live").dataset.drawMs = (performance.now() - began).toFixed(2);
    });
    observer.observe(box, { subtree: true, attributes: true, attributeFilter: ["aria-valuetext", "value"] });
    this.watched.set(key, { box, observer });
  }

  // ---- geometry
  x(k) {
    const { left, width, low, size } = this.box;
    const share = this.log ? Math.log(k / low) / Math.log(size / low) : (k - 1) / (size - 1);
    return left + Math.max(0, Math.min(1, share)) * width;
  }
  y(value) {
    const [least, most] = this.span;
    const share = (value - least) / (most - least);
    return this.box.top + (1 - Math.max(-0.02, Math.min(1.02, share))) * this.box.height;
  }
  at(pixel) {
    const { left, width, low, size } = this.box;
    const share = Math.max(0, Math.min(1, (pixel - left) / width));
    const k = this.log ? low * (size / low) ** share : 1 + share * (size - 1);
    return Math.max(1, Math.min(size, Math.round(k)));
  }
  get log() { return this.data.log !== false; }

  layout() {
    const live = this.find(".live");
    const { still, zoom = 1 } = this.data ?? {};
    live.classList.toggle("still", Boolean(still));
    const scale = live.clientWidth < 620 ? 1 : zoom;
    const wide = this.find(".plot").clientWidth / scale;
    if (!this.ready || !wide) return;
    const narrow = live.clientWidth / scale < (still ? 520 : 620);
    live.classList.toggle("narrow", narrow);
    const left = narrow ? 44 : 54;
    const right = narrow ? 12 : this.margin;
    const low = this.log ? this.low : 1;
    const size = this.size;
    this.box = { left, wide, narrow, size, low, width: wide - left - right };
    this.labels = this.stack();
    const top = narrow ? 12 : 15 + 15 * Math.max(4, ...this.labels.map(({ row }) => row + 1));
    const tall = narrow ? 330 : Math.max(345, Math.min(460, wide * 0.45)) + top - 60;
    Object.assign(this.box, { top, tall, height: tall - top - 74 });
    const frame = { x: left, y: top, width: this.box.width, height: this.box.height };
    place(this.find("svg"), { viewBox: `0 0 ${wide} ${tall}`, height: tall * scale });
    place(this.find("#frame rect"), { ...frame, y: top - 4, height: frame.height + 8 });
    const probe = this.find(".probe");
    Object.assign(probe.style, { left: `${left}px`, top: `${top}px`, width: `${frame.width}px`, height: `${frame.height}px` });
    probe.setAttribute("aria-valuemax", size);
    const steps = (count, at) => Array.from({ length: count }, (_, i) => Math.round(at(i / (count - 1))));
    const found = this.log ? steps(SAMPLES, (share) => low * (size / low) ** share)
      : [...steps(SAMPLES, (share) => 1 + share * (size - 1)), ...steps(120, (share) => size ** share)].sort((a, b) => a - b);
    this.samples = [...new Set(found)];
    this.drawFrame();
    this.draw();
  }

  path(ks, value) {
    let text = "";
    for (const k of ks) text += `${text ? "L" : "M"}${this.x(k).toFixed(1)},${this.y(value(k)).toFixed(1)}`;
    return text;
  }

  drawFrame() {
    const { left, top, width, height, size, low, narrow } = this.box;
    const [grid, axes] = [this.find(".grid"), this.find(".axes")];
    grid.replaceChildren();
    axes.replaceChildren();
    const bottom = top + height;
    for (const [value, label] of this.yTicks()) {
      const y = this.y(value);
      grid.append(element("line", { x1: left, x2: left + width, y1: y, y2: y }));
      axes.append(element("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, label));
    }
    const mark = (k, major) => {
      const x = this.x(k);
      grid.append(element("line", { x1: x, x2: x, y1: top, y2: bottom, class: major ? "" : "minor" }));
      if (major) axes.append(element("text", { x, y: bottom + 18, "text-anchor": "middle" }, number.format(k)));
    };
    if (this.log) {
      for (let decade = 10 ** Math.floor(Math.log10(low)); decade < size; decade *= 10)
        for (let step = 1; step < 10; step++) if (decade * step >= low && decade * step <= size) mark(decade * step, step === 1);
    } else for (let k = narrow ? 50000 : 20000; k <= size; k += narrow ? 50000 : 20000) mark(k, true);
    axes.append(element("line", { x1: left, x2: left + width, y1: bottom, y2: bottom }));
    const scale = this.log ? "log" : "linear";
    this.title = element("text", { y: bottom + 62, class: "title" }, narrow ? `Size k (${scale})` : `Draft vocabulary size k, tokens (${scale} scale)`);
    axes.append(this.title);
    this.keepTitleFrom(null);
    if (!narrow) axes.append(element("text", { x: left - 46, y: top - 14, class: "title" }, this.yTitle));
    this.drawPresets();
  }

  // The axis' title stands where no second row of size tags is.
  keepTitleFrom(k) {
    const { left, width } = this.box;
    const away = k && this.x(k) < left + width / 2;
    place(this.title, { x: away ? left + width : left, "text-anchor": away ? "end" : "start" });
  }

  // Known sizes with their labels, each right of its leader in the lowest row where it is free. From
  // right to left, so that no leader crosses the label of another size.
  stack() {
    const { left, width, low, narrow } = this.box;
    const group = this.find(".presets");
    group.replaceChildren();
    const ends = []; // per row, where the labels begin that stand there already
    return this.data.presets.toReversed().filter(({ k }) => k >= low).map(({ k, label }) => {
      if (narrow) return { k };
      const text = element("text");
      text.append(element("tspan", { class: "size" }, number.format(k)), element("tspan", { dx: 5 }, label));
      group.append(text);
      const x = this.x(k);
      const long = text.getComputedTextLength();
      const free = ends.findIndex((end) => x + long + 14 < end);
      const row = free < 0 ? ends.length : free;
      const start = Math.min(x + 4, left + width + this.margin - 4 - long);
      for (let i = 0; i <= row; i++) ends[i] = start;
      return { k, text, row, start };
    });
  }

  drawPresets() {
    const { top, height } = this.box;
    for (const { k, text, row, start } of this.labels) {
      if (text) place(text, { x: start, y: top - 12 - 15 * row });
      const reach = text ? top - 22 - 15 * row : top;
      this.find(".presets").append(element("line", { x1: this.x(k), x2: this.x(k), y1: reach, y2: top + height }));
    }
  }

  mark(selector, k, row, heights) {
    const group = this.find(selector);
    if (selector === ".manual") this.keepTitleFrom(row ? k : null);
    if (!k) return group.setAttribute("visibility", "hidden");
    const { top, height, wide } = this.box;
    const x = this.x(k);
    const bottom = top + height;
    const dots = (heights ?? this.heights(k)).map((value) => element("circle", { r: 4.5, cx: x, cy: this.y(value) }));
    if (dots.length > 1) place(dots.at(-1), { r: 6 });
    const text = number.format(k);
    const long = 14 + 7.2 * text.length;
    const centre = Math.max(long / 2, Math.min(wide - long / 2, x));
    group.replaceChildren(
      element("line", { x1: x, x2: x, y1: top, y2: bottom }), ...dots,
      element("rect", { class: "pill", height: 20, x: centre - long / 2, y: bottom + 24 + 22 * row, width: long }),
      element("text", { class: "pill-text", x: centre, y: bottom + 38 + 22 * row }, text),
    );
    group.setAttribute("visibility", "visible");
  }

  // Labels at the right end of the curves, pushed apart where they would overlap.
  drawEnds(labels) {
    const group = this.find(".ends");
    group.replaceChildren();
    const { left, width, top, height, narrow } = this.box;
    if (narrow) return;
    const lines = labels.map(([name, text, value]) => ({ name, text, y: this.y(value) + 4 })).sort((a, b) => a.y - b.y);
    for (let i = 1; i < lines.length; i++) lines[i].y = Math.max(lines[i].y, lines[i - 1].y + 16);
    for (let i = lines.length - 1, limit = top + height + 4; i >= 0; i--, limit -= 16) lines[i].y = Math.min(lines[i].y, limit);
    for (const { name, text, y } of lines) group.append(element("text", { x: left + width + 10, y, class: name }, text));
  }

  tile(name, value, note, badge) {
    this.find(`[data-tile=${name}] output`).textContent = value;
    this.find(`[data-tile=${name}] p`).textContent = note;
    if (badge) this.find(`[data-tile=${name}] .badge`).textContent = badge;
  }

  say(text) {
    this.find("#chart-title").textContent = text;
    clearTimeout(this.speaking);
    this.speaking = setTimeout(() => (this.find(".announce").textContent = text), 600);
  }

  // ---- crosshair and choosing
  listen() {
    const probe = this.find(".probe");
    const from = (event) => this.at(event.clientX - this.find("svg").getBoundingClientRect().left);
    probe.onpointermove = (event) => {
      if (!this.ready) return;
      const k = from(event);
      if (probe.hasPointerCapture(event.pointerId)) this.drag(k);
      this.read(k);
    };
    probe.onpointerdown = (event) => {
      if (!this.ready || !this.drag || event.button) return;
      probe.setPointerCapture(event.pointerId);
      this.drag(from(event));
    };
    probe.onpointerup = (event) => this.ready && !event.button && this.choose?.(from(event));
    probe.onpointerleave = () => this.read(null);
    probe.onblur = () => this.read(null);
    probe.onfocus = () => this.ready && probe.matches(":focus-visible") && this.read(this.reading ?? this.focus);
    probe.onkeydown = (event) => {
      if (!this.ready) return;
      const k = this.reading ?? this.focus ?? 1;
      const stride = Math.max(1, Math.round(k * (event.shiftKey ? 0 : 0.02)));
      const next = {
        ArrowRight: k + stride, ArrowUp: k + stride, ArrowLeft: k - stride, ArrowDown: k - stride,
        PageUp: Math.round(k * 1.5), PageDown: Math.round(k / 1.5), Home: 1, End: this.size,
      }[event.key];
      if (next !== undefined) this.read(Math.max(1, Math.min(this.size, next)));
      else if (this.choose && (event.key === "Enter" || event.key === " ")) this.choose(k);
      else if (event.key === "Escape") this.read(null);
      else return;
      event.preventDefault();
    };
    const copy = this.find(".copy");
    if (copy) copy.onclick = () => this.copy(copy);
    const release = this.find(".release");
    if (release) release.onclick = () => this.choose(0);
  }

  read(k) {
    this.reading = k;
    const readout = this.find(".readout");
    readout.hidden = !k;
    if (!k) return this.find(".hover").setAttribute("visibility", "hidden");
    this.mark(".hover", k, 0);
    readout.replaceChildren(...this.rows(k).flatMap(([name, value, kind]) => [html("dt", "", name), html("dd", kind, value)]));
    const [left, top] = this.room(k, readout.offsetWidth, readout.offsetHeight);
    readout.style.transform = `translate(${left}px, ${top}px)`;
    place(this.find(".probe"), { "aria-valuenow": k, "aria-valuetext": this.spoken(k) });
  }

  // Beside the crosshair or at an end, low or high, where no dot of it or of the choice is covered.
  room(k, wide, tall) {
    const { box, focus } = this;
    const x = this.x(k);
    const dots = [k, focus].filter(Boolean).flatMap((size) => this.heights(size).map((value) => [this.x(size), this.y(value)]));
    const lefts = [x + 16, x - 16 - wide, box.left + 12, box.left + box.width - wide - 12].filter((left) => left >= 0 && left + wide <= box.wide);
    const spots = [box.top + box.height - tall - 12, box.top + 12].flatMap((top) => lefts.map((left) => [left, top]));
    const covers = ([left, top]) => ([across, down]) =>
      across > left - 8 && across < left + wide + 8 && down > top - 8 && down < top + tall + 8;
    return spots.find((spot) => !dots.some(covers(spot))) ?? spots[0] ?? [0, box.top];
  }

  spoken(k) { return this.sentence(k); }

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

const mounted = (Chart) => ({ data, parentElement, setTriggerValue }) => {
  let chart = instances.get(parentElement);
  if (!chart) instances.set(parentElement, (chart = new Chart(parentElement)));
  chart.update(data, setTriggerValue);
  return () => chart.destroy();
};
