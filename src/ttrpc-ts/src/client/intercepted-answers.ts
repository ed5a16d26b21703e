import type { Message } from '@bufbuild/protobuf';

/**
 * The answers of a stream that interceptors promise: the call has started, and leaving it ends it, as without them.
 *
 * An async generator would not do: its `return()` waits for its `next()`, and does nothing before the first one.
 */
export class InterceptedAnswers implements AsyncIterableIterator<Message, undefined> {
  readonly #opened: Promise<Answers>;
  readonly #left = Promise.withResolvers<IteratorResult<Message, undefined>>();
  #answers: Answers | undefined;
  #isLeft = false;

  constructor(answers: Promise<AsyncIterable<Message, undefined>>) {
    this.#opened = answers
      .then((iterable) => iterable[Symbol.asyncIterator]())
      .catch(failing)
      .then((opened) => this.#onOpen(opened));
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Message, undefined>> {
    if (this.#answers) return this.#answers.next();
    return Promise.race([this.#left.promise, this.#opened.then((answers) => answers.next())]);
  }

  async return(): Promise<IteratorResult<Message, undefined>> {
    this.#isLeft = true;
    this.#left.resolve(DONE);
    await this.#answers?.return?.();
    return DONE;
  }

  #onOpen(answers: Answers): Answers {
    this.#answers = this.#isLeft ? NOTHING : answers;
    // Nobody is left who could be told of an error.
    if (this.#isLeft) void Promise.resolve(answers.return?.()).catch(() => {});
    return this.#answers;
  }
}

type Answers = AsyncIterator<Message, undefined>;

/** Fails once, to whoever iterates. */
function failing(error: unknown): Answers {
  let told = false;
  return {
    async next() {
      if (told) return DONE;
      told = true;
      throw error;
    },
  };
}

const DONE = { done: true, value: undefined } as const;
const NOTHING: Answers = { next: async () => DONE };
