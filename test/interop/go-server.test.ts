import { describe } from 'node:test';
import { Code } from 'ttrpc-ts';
import { obtainOrSkip } from '../setup/obtain.ts';
import { testFailures, testStreams, testUnaryCalls } from './peer-server.ts';
import { Failure_Kind as Kind } from './proto/interop_pb.ts';

const { part: program = '', skip } = await obtainOrSkip('interop-go');
const go = { name: 'Go', command: [program] };

describe('Go server', { skip }, () => {
  testUnaryCalls(go);
  testStreams(go);
  testFailures(go, [
    ['a status', Kind.STATUS, Code.FailedPrecondition, /^told$/],
    ['a plain error', Kind.PLAIN, Code.Unknown, /^told$/],
    ['a missing file', Kind.NOT_EXIST, Code.NotFound, /no such file/],
    ['an existing file', Kind.EXIST, Code.AlreadyExists, /file exists/],
    ['a permission error', Kind.PERMISSION, Code.PermissionDenied, /^permission denied$/],
    ['a cancelled handler', Kind.CANCELED, Code.Canceled, /^context canceled$/],
    ['a handler out of time', Kind.DEADLINE, Code.DeadlineExceeded, /^context deadline exceeded$/],
    ['a wrapped status', Kind.WRAPPED_STATUS, Code.FailedPrecondition, /^wrapped: .*told$/],
    ['no reply', Kind.NIL_REPLY, Code.Unknown, /^ttrpc: marshal called with nil$/],
  ]);
});
