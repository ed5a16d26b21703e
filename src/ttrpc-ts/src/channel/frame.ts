/** Bytes of a frame's header: length (4), stream id (4), type (1), flags (1); big-endian. */
export const HEADER_LENGTH = 10;

/** The largest frame body that ttrpc allows, in bytes. */
export const MAX_MESSAGE_LENGTH: number = 4 << 20;

/** The type of a frame. */
export const MessageType = { Request: 1, Response: 2, Data: 3 } as const;

/** The flags of a frame, named from the receiver's side. */
export const Flag = { RemoteClosed: 1, RemoteOpen: 2, NoData: 4 } as const;

/** Returns Go's name for a frame type. */
export function messageTypeName(type: number): string {
  if (type === MessageType.Request) return 'request';
  if (type === MessageType.Response) return 'response';
  return type === MessageType.Data ? 'data' : 'unknown';
}

/** Writes a frame's header and returns the offset behind it. */
export function writeHeader(buffer: Uint8Array, at: number, header: FrameHeader): number {
  const { length, streamId } = header;
  buffer[at] = length >>> 24;
  buffer[at + 1] = length >>> 16;
  buffer[at + 2] = length >>> 8;
  buffer[at + 3] = length;
  buffer[at + 4] = streamId >>> 24;
  buffer[at + 5] = streamId >>> 16;
  buffer[at + 6] = streamId >>> 8;
  buffer[at + 7] = streamId;
  buffer[at + 8] = header.type;
  buffer[at + 9] = header.flags;
  return at + HEADER_LENGTH;
}

/** What a frame's header says. */
export interface FrameHeader {
  length: number;
  streamId: number;
  type: number;
  flags: number;
}
