/** What takes the text of a step: QMP a command, ch-remote what follows its `--api-socket`, virsh the device's XML. */
export type StepTool = 'qmp' | 'ch-remote' | 'virsh attach-device' | 'virsh detach-device';

/** One of the steps that add a share to a VMM that runs, or take it out. */
export interface VmmStep {
  readonly tool: StepTool;
  readonly text: string;
  /** The event of QMP that has to come, with the device's id, before the next step. */
  readonly waitFor?: string;
}
