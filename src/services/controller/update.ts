import { Code, StatusError } from 'ttrpc-ts';

/** What containerd keeps in its own store and no controller needs to act upon. */
const CONTAINERDS_OWN = /^(labels|extensions|updated_at)(\.|$)/;

/**
 * Accepts a change of what containerd alone keeps.
 *
 * @throws StatusError Unimplemented for any other: shares change by the share service
 */
export function requireKnownFields(fields: readonly string[]): void {
  const unknown = fields.find((field) => !CONTAINERDS_OWN.test(field));
  if (unknown === undefined) return;
  const message = `Cannot update "${unknown}" of a sandbox: open and close its shares by "shim-virtiofs open" and "close"`;
  throw new StatusError(Code.Unimplemented, message);
}
