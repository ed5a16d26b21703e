import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { describeExit } from '../../errors.ts';
import type { ShareExit, ShareSnapshot } from '../../host/share-snapshot.ts';
import type { ExitSchema, ShareSchema } from '../../proto/share/shares_pb.ts';

/** A share as the service tells of it. */
export function shareMessage({
  createdAt,
  exit,
  lastLines,
  ...same
}: ShareSnapshot): MessageInitShape<typeof ShareSchema> {
  return {
    ...same,
    createdAt: timestampFromDate(createdAt),
    lastLines: [...lastLines],
    ...(exit ? { exit: exitMessage(exit) } : {}),
  };
}

function exitMessage(exit: ShareExit): MessageInitShape<typeof ExitSchema> {
  const { reason, exitCode, signal, exitedAt } = exit;
  return {
    cause: reason,
    message: describeExit(exit),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(signal === undefined ? {} : { signal }),
    exitedAt: timestampFromDate(exitedAt),
  };
}
