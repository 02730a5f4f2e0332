// The mix: weights per counted set, watched on the native sliders as they move. Mixing, ranking and
// the search over all sizes happen here, on typed arrays, so that nothing waits for the server.
const tenths = new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const words = (text) => new Uint32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);

class MixChart extends SizeChart {
  constructor(root) {
    super(root);
    this.onSets = () => this.gather();
    window.addEventListener("vocabtrim:sets", this.onSets);
  }

  destroy() {
    super.destroy();
    window.removeEventListener("vocabtrim:sets", this.onSets);
  }

  update(data) {
    this.data = data;
    this.margin = 116;
    this.weights = data.sets.map((set) => set.weight);
    this.touched = false;
    data.sets.forEach((set, i) => this.watch(set.slider, (value) => (this.weights[i] = value)));
    this.gather();
  }

  get size() { return this.data.vocab_size; }
  get low() { return 10; }
  get span() { return [0, 1]; }
  get yTitle() { return "Share"; }
  get focus() { return this.best; }
  get full() { return 2 * (this.data.fixed_weights + this.data.row_weights * this.size); }
  yTicks() { return [0, 0.2, 0.4, 0.6, 0.8, 1].map((share) => [share, `${Math.round(100 * share)}%`]); }

  // Every token that some set says, ascending, with its share per set; protected ones apart.
  gather() {
    const store = window.vocabtrimSets;
    const sets = this.data?.sets.map((set) => store?.get(set.id)) ?? [];
    if (!sets.length || sets.some((set) => !set)) return;
    const known = this.data.sets.map((set) => set.id).join() + this.data.protected + this.data.excluded;
    if (known !== this.known) {
      const tier = new Uint8Array(this.size).fill(1);
      const seen = new Uint8Array(this.size);
      for (const set of sets) for (const id of set.ids) seen[id] = 1;
      const kept = words(this.data.protected);
      for (const id of kept) tier[id] = 0;
      const dropped = words(this.data.excluded);
      for (const id of dropped) tier[id] = 2;
      const place = new Int32Array(this.size).fill(-1);
      let free = 0;
      for (let id = 0; id < this.size; id++) if (seen[id] && tier[id] === 1) place[id] = free++;
      this.shares = sets.map((set) => {
        const row = new Float64Array(free);
        let base = 0;
        set.ids.forEach((id, i) => {
          if (place[id] >= 0) row[place[id]] = set.share[i];
          else if (tier[id] === 0) base += set.share[i];
        });
        return { row, base };
      });
      this.kept = kept.length;
      this.largest = this.size - dropped.length;
      this.mixed = new Float64Array(free);
      this.single = new Float32Array(free);
      this.order = new Int32Array(free);
      this.spare = new Int32Array(free);
      this.covered = new Float64Array(free + 1);
      this.known = known;
    }
    this.ready = true;
    this.mix();
    this.layout();
  }

  moved() {
    this.touched = true;
    this.mix();
    this.draw();
  }

  // ---- the maths: a mix of frequencies, ranked under the rules, as vocabtrim_core/selection.py
  mix() {
    const { mixed, covered, shares } = this;
    const total = this.weights.reduce((sum, weight) => sum + weight, 0);
    this.empty = !total;
    this.parts = this.weights.map((weight) => (total ? weight / total : 0));
    mixed.fill(0);
    let base = 0;
    shares.forEach(({ row, base: own }, set) => {
      const part = this.parts[set];
      if (!part) return;
      base += part * own;
      for (let i = 0; i < row.length; i++) mixed[i] += part * row[i];
    });
    const order = this.rank();
    covered[0] = base;
    for (let i = 0; i < order.length; i++) covered[i + 1] = covered[i] + mixed[order[i]];
    this.best = this.empty ? null : this.search();
    this.each = this.best ? this.coverages(this.best) : shares.map(() => 0);
  }

  // Places by falling share, ties by lower id: a radix sort on the bits of single-precision shares,
  // a fifth of the time of sorting doubles. What that rounds together lies 1e-7 of a share apart.
  rank() {
    const { single, order, spare } = this;
    single.set(this.mixed);
    const bits = new Uint32Array(single.buffer);
    const starts = new Int32Array(65537);
    const pass = (digit, from, to) => {
      starts.fill(0);
      for (let i = 0; i < bits.length; i++) starts[digit(bits[i]) + 1]++;
      for (let d = 0; d < 65536; d++) starts[d + 1] += starts[d];
      for (let i = 0; i < bits.length; i++) {
        const place = from ? from[i] : i;
        to[starts[digit(bits[place])]++] = place;
      }
    };
    pass((word) => 65535 - (word & 65535), null, spare);
    pass((word) => 65535 - (word >>> 16), spare, order);
    return order;
  }

  coverage(k) { return this.covered[Math.max(0, Math.min(this.covered.length - 1, k - this.kept))]; }
  reduction(k) { return 1 - (2 * (this.data.fixed_weights + this.data.row_weights * k)) / this.full; }
  utility(k) { return this.data.alpha * this.coverage(k) + (1 - this.data.alpha) * this.reduction(k); }
  get first() { return Math.max(1, this.kept, this.data.k_min); }
  get last() { return Math.min(this.largest, this.data.k_max); }

  // Coverage is concave from `first` on and cost linear: tokens pay for themselves while their share
  // exceeds what a row costs, and a floor only rules small sizes out (tradeoff.py, closed form).
  search() {
    const { alpha, floor, k, row_weights: width } = this.data;
    if (k) return this.padded(k);
    const price = ((1 - alpha) * 2 * width) / this.full;
    let paying = this.kept;
    for (let i = 0; i < this.mixed.length; i++) paying += alpha * this.mixed[i] > price;
    let least = this.first;
    if (floor > this.coverage(least)) {
      let high = this.last + 1;
      while (least < high) {
        const middle = (least + high) >> 1;
        if (this.coverage(middle) >= floor) high = middle; else least = middle + 1;
      }
    }
    return least > this.last ? null : this.padded(Math.max(least, Math.min(paying, this.last)));
  }

  padded(k) {
    const { multiple } = this.data;
    return Math.min(Math.ceil(Math.max(k, this.kept) / multiple) * multiple, this.largest);
  }

  // What the first k tokens of the mix cover of every set.
  coverages(k) {
    const room = Math.max(0, Math.min(k - this.kept, this.order.length));
    return this.shares.map(({ row, base }) => {
      let sum = base;
      for (let i = 0; i < room; i++) sum += row[this.order[i]];
      return sum;
    });
  }

  // ---- everything a slider moves
  draw() {
    const { data } = this;
    const ks = this.samples.filter((k) => k >= this.first && k <= this.largest);
    const trace = (name, value) => this.find(`.curve.${name}`).setAttribute("d", this.empty ? "" : this.path(ks, value));
    trace("reduction", (k) => this.reduction(k));
    trace("coverage", (k) => this.coverage(k));
    trace("utility", (k) => this.utility(k));
    const own = this.touched || data.own === this.best ? null : data.own;
    this.mark(".optimum", this.best, 0);
    this.mark(".manual", own, own && Math.abs(this.x(own) - this.x(this.best ?? own)) < 76 ? 1 : 0, []);
    this.drawEnds(this.empty ? [] : [
      ["coverage", "Coverage C", this.coverage(this.size)], ["utility", "Utility U", this.utility(this.size)],
      ["sub", "FLOPs saved R", this.reduction(this.size)],
    ]);
    this.fill();
    const live = this.find(".live");
    live.dataset.k = this.best ?? "";
    this.say(this.best ? this.sentence(this.best) : this.nothing());
  }

  nothing() {
    return this.empty ? "All weights are zero; give one set some weight." : "No size reaches the floor within the bounds.";
  }

  fill() {
    const { best, data } = this;
    this.list();
    if (!best) {
      for (const name of ["k", "coverage", "worst", "reduction", "utility"]) this.tile(name, "–", "");
      return this.tile("k", "none", this.nothing(), "no feasible size");
    }
    const padding = data.multiple > 1 ? `, a multiple of ${data.multiple}` : "";
    const change = best - data.plain;
    const against = change ? `${change > 0 ? "+" : "−"}${number.format(Math.abs(change))} against the set alone` : "as for the set alone";
    this.tile("k", number.format(best), against, data.k ? `your choice${padding}` : `exact optimum${padding}`);
    this.tile("coverage", percent(this.coverage(best)), `missing: ${percent(1 - this.coverage(best), 2)} of its tokens`);
    const worst = this.each.indexOf(Math.min(...this.each));
    this.tile("worst", percent(this.each[worst], 1), data.sets[worst].name);
    this.tile("reduction", percent(this.reduction(best), 1), `per step, against all ${number.format(this.size)}`);
    const head = (data.row_bytes * best) / 1e6;
    this.tile("utility", this.utility(best).toFixed(4), `alpha ${data.alpha.toFixed(2)}; head ${tenths.format(head)} MB`);
  }

  // One bar per set; the worst is coloured.
  list() {
    const worst = this.best ? this.each.indexOf(Math.min(...this.each)) : -1;
    const box = this.find(".sets");
    if (box.children.length !== this.data.sets.length) {
      box.replaceChildren(...this.data.sets.map(() => {
        const row = html("li");
        const bar = html("span", "bar");
        bar.append(html("i"));
        row.append(html("span", "name"), html("output"), bar, html("span", "part"));
        return row;
      }));
    }
    this.data.sets.forEach((set, i) => {
      const row = box.children[i];
      row.className = i === worst && this.each.length > 1 ? "worst" : "";
      row.querySelector(".name").textContent = set.name;
      row.querySelector(".name").title = set.name;
      row.querySelector("output").textContent = this.best ? percent(this.each[i], 1) : "–";
      row.querySelector("i").style.width = `${100 * this.each[i]}%`;
      row.querySelector(".part").textContent = this.parts[i] ? `${percent(this.parts[i], 0)} of the mix` : "not in the mix";
    });
  }

  heights(k) { return [this.reduction(k), this.coverage(k), this.utility(k)]; }
  rows(k) {
    return [
      ["Size k", number.format(k)], ["Coverage of the mix", percent(this.coverage(k), 3)],
      ["FLOPs saved", percent(this.reduction(k), 2)], ["Utility", this.utility(k).toFixed(5)],
    ];
  }
  sentence(k) {
    return `${number.format(k)} of ${number.format(this.size)} tokens: ${percent(this.coverage(k))} of the mix covered, `
      + `${percent(this.reduction(k), 1)} of the draft's FLOPs saved, utility ${this.utility(k).toFixed(4)}.`;
  }
}

export default mounted(MixChart);
