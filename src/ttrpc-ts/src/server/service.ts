import type {
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import type { HandlerContext } from './context.ts';

/** What serves a service: a method for each of the service's, named in lowerCamelCase. */
export type ServiceImpl<Service extends DescService> = {
  [Name in keyof Service['method']]: MethodImpl<Service['method'][Name]>;
};

/** What serves a method. It answers with a message or with what initialises one. */
export type MethodImpl<Method extends DescMethod> =
  Method extends DescMethodUnary<infer Input, infer Output>
    ? (request: MessageShape<Input>, context: HandlerContext) => MaybePromise<MessageInitShape<Output>>
    : Method extends DescMethodServerStreaming<infer Input, infer Output>
      ? (request: MessageShape<Input>, context: HandlerContext) => AsyncIterable<MessageInitShape<Output>>
      : Method extends DescMethodClientStreaming<infer Input, infer Output>
        ? (
            requests: AsyncIterable<MessageShape<Input>>,
            context: HandlerContext,
          ) => MaybePromise<MessageInitShape<Output>>
        : Method extends DescMethodBiDiStreaming<infer Input, infer Output>
          ? (
              requests: AsyncIterable<MessageShape<Input>>,
              context: HandlerContext,
            ) => AsyncIterable<MessageInitShape<Output>>
          : never;

type MaybePromise<T> = T | Promise<T>;
