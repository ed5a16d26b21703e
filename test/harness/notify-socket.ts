import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { execa } from 'execa';

/** What systemd gives a service to tell it things. Disposal closes it. */
export interface NotifySocket extends AsyncDisposable {
  readonly path: string;
  /** The lines that came until now. */
  readonly lines: readonly string[];
}

/** Node.js has no datagrams on unix sockets. */
const RECEIVER = `use Socket; $| = 1; socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; bind($s, sockaddr_un($ARGV[0])) or die;
print "bound\\n"; while (defined recv($s, my $text, 4096, 0)) { $text =~ s/\\n?$/\\n/; print $text }`;

/** Listens as systemd does. */
export async function openNotifySocket(path: string): Promise<NotifySocket> {
  const receiver = execa('perl', ['-e', RECEIVER, path], { reject: false, buffer: false });
  const reader = createInterface(receiver.stdout);
  await once(reader, 'line');
  const lines: string[] = [];
  reader.on('line', (line) => void lines.push(line));
  return {
    path,
    lines,
    async [Symbol.asyncDispose]() {
      receiver.kill('SIGKILL');
      await receiver;
    },
  };
}
