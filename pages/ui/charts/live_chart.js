// The live chart follows every move of the sliders alpha, floor and size. All sizes are searched
// exactly, which takes well under a millisecond.
const tenths = new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const megabytes = (bytes) => `${tenths.format(bytes / 1e6)} MB`;
const plural = (n, word) => `${number.format(n)} ${word}${n === 1 ? "" : "s"}`;

class LiveChart extends SizeChart {
  constructor(root) {
    super(root);
    this.now = { alpha: 0.5, floor: 0, k: null };
    this.onCurve = () => this.layout();
    window.addEventListener("vocabtrim:curve", this.onCurve);
  }

  destroy() {
    super.destroy();
    window.removeEventListener("vocabtrim:curve", this.onCurve);
  }

  update(data, send) {
    this.data = data;
    this.send = send;
    Object.assign(this.now, { alpha: data.alpha, floor: data.floor / 100, k: data.k });
    this.watch("alpha", (value) => (this.now.alpha = value));
    this.watch("floor", (value) => (this.now.floor = value / 100));
    // An exact k is only known to Python: the slider has steps, so it counts while it is moved.
    this.watch("size", (_, input) => {
      if (document.activeElement !== input) return;
      const size = parseInt((input.getAttribute("aria-valuetext") ?? "").replaceAll(/\D/g, ""), 10);
      this.now.k = Number.isNaN(size) ? null : size;
    }, false);
    this.layout();
  }

  get curve() { return window.vocabtrimCurves?.get(this.data?.curve); }
  get ready() { return Boolean(this.curve); }
  get size() { return this.curve.size; }
  get low() { return 10; }
  get span() { return [0, 1]; }
  get yTitle() { return "Share"; }
  get focus() { return this.now.k ?? this.best; }
  get full() { return this.flops(this.size); }
  yTicks() { return [0, 20, 40, 60, 80, 100].map((tick) => [tick / 100, `${tick}%`]); }

  // ---- the maths: the same operations, in the same order, as vocabtrim_core/tradeoff.py
  flops(k) { return 2 * (this.data.fixed_weights + this.data.row_weights * k); }
  coverage(k) { return this.curve.coverage[k - 1]; }
  reduction(k) { return 1 - this.flops(k) / this.full; }
  utility(k) { return this.now.alpha * this.coverage(k) + (1 - this.now.alpha) * this.reduction(k); }

  search() {
    const { k_min: first, k_max: last, fixed_weights: fixed, row_weights: width } = this.data;
    const { alpha, floor } = this.now;
    const { coverage } = this.curve;
    const { full } = this;
    let best = null;
    let most = -1;
    for (let k = first; k <= last; k++) {
      if (coverage[k - 1] < floor) continue;
      const value = alpha * coverage[k - 1] + (1 - alpha) * (1 - (2 * (fixed + width * k)) / full);
      if (value > most) { most = value; best = k; }
    }
    return best;
  }

  smallestReaching(floor) {
    let low = 0;
    let high = this.size - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.curve.coverage[middle] >= floor) high = middle; else low = middle + 1;
    }
    return low + 1;
  }

  feasible(k) { return k >= this.data.k_min && k <= this.data.k_max && this.coverage(k) >= this.now.floor; }

  // ---- what no slider moves
  drawFrame() {
    super.drawFrame();
    const { top, height, size } = this.box;
    for (const [selector, from, to] of [[".low", 1, this.data.k_min], [".high", this.data.k_max, size]]) {
      const x = this.x(from);
      const span = to > from ? this.x(to) - x : 0;
      place(this.find(`.bounds${selector}`), { x, y: top, width: span, height });
    }
    this.trace("reduction");
    this.trace("coverage");
  }

  trace(name) { this.find(`.curve.${name}`).setAttribute("d", this.path(this.samples, (k) => this[name](k))); }

  // ---- everything a slider moves
  moved() { this.draw(); }

  draw() {
    const { now } = this;
    this.best = this.search();
    const k = now.k ?? this.best;
    this.trace("utility");
    this.drawFloor();
    this.mark(".optimum", this.best, 0);
    const crowded = now.k && this.best && Math.abs(this.x(now.k) - this.x(this.best)) < 76;
    this.mark(".manual", now.k, crowded ? 1 : 0);
    this.drawEnds([
      ["coverage", "Coverage C", this.coverage(this.size)],
      ["utility", "Utility U", this.utility(this.size)],
      ["sub", "FLOPs saved R", this.reduction(this.size)],
    ]);
    this.find(".release").hidden = !now.k;
    this.fill(k);
    this.find(".live").dataset.k = k ?? "";
    this.find(".live").dataset.optimum = this.best ?? "";
    this.say(k ? this.sentence(k) : this.unreachable());
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

  fill(k) {
    const { data, size, now } = this;
    if (!k) {
      for (const name of ["coverage", "reduction", "utility", "head"]) this.tile(name, "–", "");
      this.tile("k", "none", `at most ${percent(this.coverage(data.k_max))} is covered`, "floor out of reach");
      return;
    }
    const badge = now.k ? (this.feasible(k) ? "your choice" : "your choice, not feasible") : "exact optimum";
    this.tile("k", number.format(k), `tokens, ${percent(k / size, 1)} of ${number.format(size)}`, badge);
    this.tile("coverage", percent(this.coverage(k)), `of ${number.format(this.curve.total)} counted tokens`);
    this.tile("reduction", percent(this.reduction(k), 1), `per step, against all ${number.format(size)}`);
    const behind = this.best ? this.utility(this.best) - this.utility(k) : 0;
    const against = now.k && this.best ? `${behind.toFixed(4)} below the optimum` : `at alpha ${now.alpha.toFixed(2)}, 0 to 1`;
    this.tile("utility", this.utility(k).toFixed(4), against);
    const head = data.row_bytes;
    this.tile("head", megabytes(head * k), `down from ${megabytes(head * size)}`);
  }

  // ---- in words
  sentence(k) {
    return `${plural(k, "token")} of ${number.format(this.size)}: coverage ${percent(this.coverage(k))}, `
      + `draft FLOPs saved ${percent(this.reduction(k), 1)}, utility ${this.utility(k).toFixed(4)} at alpha ${this.now.alpha.toFixed(2)}.`;
  }

  unreachable() {
    const { k_max: last } = this.data;
    return `The floor is out of reach: ${plural(last, "token")} cover ${percent(this.coverage(last))}.`;
  }

  token(k) { return this.curve.tokens[k - 1] ?? "not seen"; }
  spoken(k) { return `${this.sentence(k)} Token at this rank: ${this.token(k)}`; }
  heights(k) { return [this.reduction(k), this.coverage(k), this.utility(k)]; }
  rows(k) {
    const share = k <= this.curve.seen ? this.coverage(k) - (k > 1 ? this.coverage(k - 1) : 0) : 0;
    return [
      ["Size k", number.format(k)], ["Coverage", percent(this.coverage(k), 3)],
      ["FLOPs saved", percent(this.reduction(k), 2)], ["Utility", this.utility(k).toFixed(5)],
      [`Token at rank ${number.format(k)}`, this.token(k), "token"],
      ["Its share", share ? percent(share, share < 1e-4 ? 5 : 3) : "0%"],
    ];
  }

  // ---- choosing
  drag(k) {
    this.now.k = k;
    this.draw();
  }

  choose(k) {
    this.drag(k || null);
    this.send("picked", k);
  }
}

export default mounted(LiveChart);
