import { readFileSync } from 'node:fs';
import { openProcFile, type ProcFile } from './proc-file.ts';
import { parseStat } from './stat.ts';

/** What a process has used, and holds. */
export interface ProcessUsage {
  /** Processor time in programs and in the kernel, in hundredths of a second. */
  readonly userTicks: number;
  readonly systemTicks: number;
  /** Memory without a file behind it, and with one. */
  readonly anonBytes: number;
  readonly fileBytes: number;
  /** From and to storage; 0 where it may not be known. */
  readonly readBytes: number;
  readonly writtenBytes: number;
}

/** Measures a process again and again. Disposal closes its files. */
export interface Gauge extends Disposable {
  /** Undefined when the process is gone. */
  read(): ProcessUsage | undefined;
}

/** Opens a process's files; undefined where it is gone. Throws any other system error. */
export function openGauge(pid: number): Gauge | undefined {
  using undo = new DisposableStack();
  const open = (name: string): ProcFile | undefined => {
    const file = openProcFile(pid, name);
    if (file) undo.use(file);
    return file;
  };
  const [stat, memory, io] = [open('stat'), open('statm'), open('io')];
  if (!stat || !memory) return undefined;
  const own = undo.move();
  return {
    read() {
      const [statText, memoryText, ioText = ''] = [stat.read(), memory.read(), io?.read()];
      if (statText === undefined || memoryText === undefined) return undefined;
      const { userTicks, systemTicks } = parseStat(statText);
      const [, resident = 0, file = 0] = memoryText.split(' ', 3).map(Number);
      return {
        userTicks,
        systemTicks,
        anonBytes: (resident - file) * pageSize(),
        fileBytes: file * pageSize(),
        readBytes: member(ioText, '\nread_bytes: '),
        writtenBytes: member(ioText, '\nwrite_bytes: '),
      };
    },
    [Symbol.dispose]: () => own.dispose(),
  };
}

function member(text: string, name: string): number {
  const start = text.indexOf(name);
  return start === -1 ? 0 : Number.parseInt(text.slice(start + name.length), 10);
}

let knownPageSize: number | undefined;

/** AT_PAGESZ of the auxiliary vector (getauxval(3)): Node.js does not tell it, and not every machine has 4 KiB. */
function pageSize(): number {
  if (knownPageSize !== undefined) return knownPageSize;
  const vector = new BigUint64Array(new Uint8Array(readFileSync('/proc/self/auxv')).buffer);
  const entry = vector.findIndex((value, index) => index % 2 === 0 && value === 6n);
  knownPageSize = Number(vector[entry + 1] ?? 4096n);
  return knownPageSize;
}
