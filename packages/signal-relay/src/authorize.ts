import type { Facts } from './relay.ts'

/**
 * What a client that comes in may do: the names are those of a token's claims. `topics` is for both
 * directions, or `subscribe` and `publish` for each; `['garden', 'team-*']` is one topic and all that
 * begin so, `['*']` is all.
 */
export interface Grant {
  readonly topics?: readonly string[]
  readonly subscribe?: readonly string[]
  readonly publish?: readonly string[]
  /** Whose connection it is, by a name of yours. */
  readonly sub?: string
  /** How many connections may be open at once for this `sub`. */
  readonly peers_max?: number
  /**
   * How many clients a topic may have for this one to be let in: a number for all topics, or one for
   * each of some, as in `{ 'team-*': 50, trial: 4 }`. Of several for one topic, and of these and the
   * setting `clients_max`, the smallest holds.
   */
  readonly clients_max?: number | Readonly<Record<string, number>>
  /** When the connection ends, in seconds since 1970. */
  readonly exp?: number
  /** The subprotocol to answer, one that the client offers. Default: the first that it offers. */
  readonly protocol?: string
}

/** A no, which the client is answered with. */
export class Refusal {
  readonly status: number
  readonly body: string | undefined
  readonly retry_after: number | undefined
  readonly challenge: string | undefined

  /**
   * @param status From 400 to 599; 401 for who has to log in, 403 for who may not.
   * @param body A sentence for whoever reads it.
   */
  constructor(status: number, body?: string, options: { readonly retry_after?: number; readonly challenge?: string } = {}) {
    this.status = status
    this.body = body
    this.retry_after = options.retry_after
    this.challenge = options.challenge
  }
}

/** An upgrade request that is to be judged. */
export interface AuthorizeRequest {
  /** Path and query, as they were sent. The query may hold a secret, so it is not for logs. */
  readonly target: string
  /** The IP address at the other end of the connection: of the client, or of a proxy. */
  readonly remote: string | undefined
  /**
   * The value of a header; those of one that came more than once are joined with `, `.
   *
   * `cookie` can be asked for only if `origins` are set: browsers send a page's cookies with every
   * WebSocket to their site, whichever page opens it, so whoever judges by a cookie without looking at
   * the origin lets the pages of every site in as the person who is logged in.
   */
  header(name: string): string | undefined
  /** The request as the runtime has it: of Node an `IncomingMessage`, elsewhere a `Request`. */
  readonly raw: unknown
}

/**
 * Says who may come in and what they may do there. It has `handshake_timeout` for it; if it throws or
 * takes longer nobody comes in.
 */
export type Authorize = (request: AuthorizeRequest) => Grant | Refusal | Promise<Grant | Refusal>

/** What was said, as JSON. A number that is undefined stays, as null, which lets nobody in: left out it would limit nothing. */
export function written(said: Grant | Refusal | undefined): string {
  const keep = (name: string, value: unknown): unknown => {
    const isTopics = name === 'clients_max' && typeof value === 'object' && value !== null && !Array.isArray(value)
    return isTopics ? Object.fromEntries(Object.entries(value).map(([topic, max]) => [topic, max ?? null])) : value
  }
  return JSON.stringify(said, keep) ?? 'null'
}

/** The request without what would let a page of any site in. */
export function askable(facts: Facts, raw: unknown, hasOrigins: boolean): AuthorizeRequest {
  const { target, remote } = facts
  const header = (name: string): string | undefined => {
    const lower = name.toLowerCase()
    if (lower === 'cookie' && !hasOrigins) {
      throw new Error('authorize reads cookies, and origins is not set, so that the pages of every site could connect as who is logged in; set origins')
    }
    return facts.header(lower)
  }
  return { target, remote, header, raw }
}
