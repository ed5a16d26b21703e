import { openGauge, type Gauge, type ProcessUsage } from './gauge.ts';
import { openProcFile } from './proc-file.ts';

/** Measures a process and its children again and again. Disposal closes their files. */
export interface GroupGauge extends Disposable {
  /** Those of them that live. Throws a system error that says nothing of them, as for want of descriptors. */
  read(): ProcessUsage[];
}

/** Opens the files of a process; those of its children are opened when it has them. */
export function openGroupGauge(pid: number): GroupGauge {
  using undo = new DisposableStack();
  const list = undo.use(openProcFile(pid, `task/${pid}/children`));
  const leader = undo.use(openGauge(pid));
  const children = new Map<number, Gauge>();
  const forget = (child: number): void => {
    children.get(child)?.[Symbol.dispose]();
    children.delete(child);
  };
  undo.defer(() => {
    for (const child of children.keys()) forget(child);
  });
  const readChild = (child: number): ProcessUsage | undefined => {
    const gauge = children.get(child) ?? openGauge(child);
    if (gauge) children.set(child, gauge);
    const usage = gauge?.read();
    if (!usage) forget(child);
    return usage;
  };
  const own = undo.move();
  return {
    read() {
      const pids = (list?.read() ?? '').split(' ').filter(Boolean).map(Number);
      for (const child of children.keys()) if (!pids.includes(child)) forget(child);
      return [leader?.read(), ...pids.map(readChild)].filter((usage) => usage !== undefined);
    },
    [Symbol.dispose]: () => own.dispose(),
  };
}
