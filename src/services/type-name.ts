import type { Any } from '@bufbuild/protobuf/wkt';

/** The name of the type of a packed message; empty where it has none, for which `anyIs()` throws. */
export const typeNameOf = ({ typeUrl }: Any): string => typeUrl.split('/').at(-1) ?? '';
