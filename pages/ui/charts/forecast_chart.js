// Predicted throughput for every size: a band between the extremes, its middle, the sizes to know.
// The numbers come from Python at each change; the chart keeps its place and is redrawn, not rebuilt.
const change = (ratio, digits = 1) => {
  const points = 100 * (ratio - 1);
  const text = Math.abs(points).toFixed(digits);
  return `${+text === 0 ? "±" : points < 0 ? "−" : "+"}${text}%`;
};
const between = (low, high, text) => (text(low) === text(high) ? text(low) : `${text(low)} to ${text(high)}`);

class ForecastChart extends SizeChart {
  update(data, send) {
    this.data = data;
    this.send = send;
    this.margin = 108;
    this.ready = true;
    this.layout();
  }

  get size() { return this.data.vocab_size; }
  get low() { return 100; }
  get yTitle() { return `Tokens per second, against ${number.format(this.data.baseline)} tokens`; }
  get focus() { return this.data.k ?? this.data.recommended; }
  get span() {
    const { k, low, high } = this.data;
    const shown = k.map((size, i) => (size >= 400 ? i : -1)).filter((i) => i >= 0);
    const [least, most] = [Math.min(...shown.map((i) => low[i])), Math.max(...shown.map((i) => high[i]))];
    const step = this.step(most - least);
    return [Math.floor(least / step + 1e-9) * step, Math.ceil(most / step + 0.25) * step];
  }
  step(range) { return [0.02, 0.05, 0.1, 0.2, 0.5].find((step) => range / step <= 7) ?? 1; }
  yTicks() {
    const [least, most] = this.span;
    const step = this.step(most - least);
    const ticks = [];
    for (let i = Math.ceil(least / step - 1e-9); i * step <= most + 1e-9; i++) ticks.push([i * step, i * step === 1 ? "±0%" : change(i * step, 0)]);
    return ticks;
  }

  // Values between the sampled sizes, along log k.
  value(name, k) {
    const sizes = this.data.k;
    const values = this.data[name];
    let low = 0;
    let high = sizes.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (sizes[middle] <= k) low = middle; else high = middle;
    }
    if (sizes[high] <= k) return values[high];
    const share = Math.log(k / sizes[low]) / Math.log(sizes[high] / sizes[low]);
    return values[low] + Math.max(0, share) * (values[high] - values[low]);
  }

  draw() {
    const { data, box } = this;
    const ks = data.k.filter((k) => k >= this.low);
    const upper = this.path(ks, (k) => this.value("high", k));
    const lower = this.path(ks.toReversed(), (k) => this.value("low", k));
    this.find(".band").setAttribute("d", `${upper}${lower.replace("M", "L")}Z`);
    this.find(".curve.utility").setAttribute("d", this.path(ks, (k) => this.value("middle", k)));
    const zero = this.y(1);
    place(this.find(".zero"), { x1: box.left, x2: box.left + box.width, y1: zero, y2: zero });
    const [from, to] = data.range;
    place(this.find(".best"), { x: this.x(from), width: Math.max(3, this.x(to) - this.x(from)), y: box.top + box.height - 5, height: 5 });
    this.mark(".optimum", data.recommended, 0);
    const own = data.k_own;
    this.mark(".manual", own, own && Math.abs(this.x(own) - this.x(data.recommended)) < 76 ? 1 : 0);
    this.drawEnds([["utility", "Expected", this.value("middle", this.size)]]);
    this.find(".release").hidden = !own;
    for (const [name, value, note, badge] of data.tiles) this.tile(name, value, note, badge);
    const live = this.find(".live");
    live.dataset.k = own ?? data.recommended;
    live.dataset.recommended = data.recommended;
    this.say(this.sentence(own ?? data.recommended));
  }

  choose(k) { this.send("picked", k); }
  heights(k) { return [this.value("middle", k)]; }
  rows(k) {
    const of = (name) => this.value(name, k);
    return [
      ["Size k", number.format(k)],
      ["Tokens/s", between(of("low"), of("high"), change)],
      ["Acceptance length", between(of("length_low"), of("length_high"), (x) => x.toFixed(2))],
      ["Cycle time", between(1e3 * of("cycle_low"), 1e3 * of("cycle_high"), (x) => `${x.toFixed(2)} ms`)],
      ["Coverage", percent(of("coverage"), 2)],
    ];
  }
  sentence(k) {
    const range = between(this.value("low", k), this.value("high", k), change);
    return `${number.format(k)} of ${number.format(this.size)} tokens: ${range} tokens per second against ${number.format(this.data.baseline)}.`;
  }
}

export default mounted(ForecastChart);
