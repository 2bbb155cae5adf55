// The part of the time that all charts of a view show, and the moment that they mark.

const SHORTEST_S = 1;

/** The state that charts of one clock share. Fires "span" when the visible part changes, "moment" when the moment does. */
export class TimeView extends EventTarget {
  constructor(length = 0) {
    super();
    this.reset(length);
  }

  /** Show a whole video of another length, in seconds. */
  reset(length) {
    this.length = length;
    this.moment = 0;
    this.span = [0, length];
    this.dispatchEvent(new Event("span"));
  }

  get zoomed() {
    return this.span[0] > 0 || this.span[1] < this.length;
  }

  /** Show the time between two moments, in either order. */
  zoom(one, other) {
    const width = Math.min(this.length, Math.max(Math.abs(other - one), SHORTEST_S));
    const from = Math.min(Math.max(0, (one + other) / 2 - width / 2), this.length - width);
    this.span = [from, from + width];
    this.dispatchEvent(new Event("span"));
  }

  /** Show `factor` times as much time as now, about the moment if it is visible. */
  scale(factor) {
    const [from, to] = this.span;
    const about = this.moment >= from && this.moment <= to ? this.moment : (from + to) / 2;
    const half = ((to - from) * factor) / 2;
    this.zoom(about - half, about + half);
  }

  /** Show earlier (negative) or later time, by a share of what is visible. */
  shift(share) {
    const by = share * (this.span[1] - this.span[0]);
    const from = Math.min(Math.max(0, this.span[0] + by), this.length - (this.span[1] - this.span[0]));
    this.zoom(from, from + this.span[1] - this.span[0]);
  }

  whole() {
    this.zoom(0, this.length);
  }

  /** Mark a moment. */
  mark(time) {
    this.moment = time;
    this.dispatchEvent(new Event("moment"));
  }
}
