import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { Code } from '../code.ts';
import { encodeRoute } from '../envelope/request.ts';
import type { RouteTable } from '../envelope/request-reader.ts';
import { StatusError } from '../status-error.ts';
import type { CallContext } from './context.ts';

/** Calls what serves a method, interceptors included. */
export type Handler = (message: unknown, context: CallContext) => unknown;

/** A method and what serves it. */
export interface Route {
  readonly method: DescMethod;
  /** The names of service and method as a request starts with them. */
  readonly names: Uint8Array;
  readonly handler: Handler;
}

/** Finds what serves a request, by comparing bytes. */
export class Router implements RouteTable<Route> {
  /** By the length of their encoded names. */
  readonly #byLength: Route[][] = [];
  readonly #services = new Map<string, Map<string, Route>>();

  /** Adds a service. Throws AlreadyExists where it has one of that name. */
  addService(service: DescService): void {
    if (this.#services.has(service.typeName)) {
      throw new StatusError(
        Code.AlreadyExists,
        `Cannot add service "${service.typeName}": it has been added`,
      );
    }
    this.#services.set(service.typeName, new Map());
  }

  /** Adds what serves a method of a service that was added. */
  addMethod(method: DescMethod, handler: Handler): void {
    const { typeName } = method.parent;
    const route: Route = { method, names: encodeRoute(typeName, method.name), handler };
    this.#services.get(typeName)?.set(method.name, route);
    (this.#byLength[route.names.length] ??= []).push(route);
  }

  match(buffer: Uint8Array, start: number, end: number): Route | undefined {
    const candidates = this.#byLength[end - start];
    if (candidates === undefined) return undefined;
    for (const route of candidates) {
      if (endsEqual(route.names, buffer, end)) return route;
    }
    return undefined;
  }

  find(service: string, method: string): Route {
    const methods = this.#services.get(service);
    if (!methods) throw new StatusError(Code.Unimplemented, `service ${service}`);
    const route = methods.get(method);
    if (!route) throw new StatusError(Code.Unimplemented, `method ${method}`);
    return route;
  }
}

/** Compares from the end, where the methods of one service differ. */
function endsEqual(names: Uint8Array, buffer: Uint8Array, end: number): boolean {
  let at = end;
  for (let index = names.length - 1; index >= 0; index--) {
    if (names[index] !== buffer[--at]) return false;
  }
  return true;
}
