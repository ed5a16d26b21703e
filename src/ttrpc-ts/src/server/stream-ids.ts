/**
 * The stream ids of a connection that were not used yet: all above the highest one, and gaps below.
 *
 * A client with several threads may send them out of order. Of many gaps the lowest are given up.
 */
export class StreamIds {
  /** Above all that were used. */
  #next = 1;
  /** Ranges of unused ids, ends included, in ascending order. */
  #gaps: Gap[] = [];

  /** Uses an odd id. Returns whether it was still unused. */
  take(streamId: number): boolean {
    if (streamId < this.#next) return this.#takeFromGap(streamId);
    if (streamId > this.#next) {
      this.#gaps.push({ first: this.#next, last: streamId - 2 });
      if (this.#gaps.length > MAX_GAPS) this.#gaps.shift();
    }
    this.#next = streamId + 2;
    return true;
  }

  #takeFromGap(streamId: number): boolean {
    const index = this.#gaps.findLastIndex(({ first }) => first <= streamId);
    const gap = this.#gaps[index];
    if (!gap || streamId > gap.last) return false;
    const rest: Gap[] = [];
    if (gap.first < streamId) rest.push({ first: gap.first, last: streamId - 2 });
    if (streamId < gap.last) rest.push({ first: streamId + 2, last: gap.last });
    this.#gaps.splice(index, 1, ...rest);
    if (this.#gaps.length > MAX_GAPS) this.#gaps.shift();
    return true;
  }
}

interface Gap {
  readonly first: number;
  readonly last: number;
}

const MAX_GAPS = 1024;
