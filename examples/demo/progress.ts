let startedAt = 0;

/** Says what begins now. */
export function step(name: string, what: string): void {
  startedAt = performance.now();
  console.log(`▸ ${name.padEnd(7)} ${what}`);
}

/** Says how the step ended, and how long it took. */
export function done(result: string): void {
  console.log(`  ✓ ${result} (${Math.round(performance.now() - startedAt)} ms)`);
}

/** Shows a result under a title. */
export function show(title: string, text: string): void {
  console.log(`\n${title}:\n${text.replaceAll(/^/gm, '  ')}`);
}
