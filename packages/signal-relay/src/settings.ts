/** What a setting may be: a list stands for a text with commas, an object for its JSON. */
export type Setting = string | number | boolean | readonly string[] | object

/**
 * The settings of a relay, by the names of `signal serve`. Sizes are bytes or a text such as
 * `'64KiB'`, times are seconds or a text such as `'30s'` or `'500ms'`. What is not there keeps its
 * default; a name that does not exist and a value that cannot be used are errors.
 */
export interface Settings {
  /** Web pages that may connect, by origin: `['https://app.example']`. Default: all. */
  readonly origins?: string | readonly string[]
  /** A JWK or a JWK Set, as text or object, by which every client must show a signed token. */
  readonly token_keys?: string | object
  /** Name of this relay, which each token must have as its `aud`. */
  readonly token_audience?: string
  /** Issuer that each token must have as its `iss`, letter by letter. */
  readonly token_issuer?: string
  /** Claim that names the topics of a token, in place of `topics`, `subscribe` and `publish`. */
  readonly token_topics_claim?: string
  /** Topics of a token that names none, in which `{sub}` is its subject: `['lobby', 'user/{sub}/*']`. */
  readonly token_topics_default?: string | readonly string[]
  /** Where in a request its token is: `'any'`, or those of `query`, `header` and `protocol` that count. */
  readonly token_in?: string | readonly string[]
  /** Proxies before the relay, by network or address, whose `X-Forwarded-For` is believed. */
  readonly trusted_proxies?: string | readonly string[]

  readonly message_bytes_max?: number | string
  readonly depth_max?: number | string
  readonly topics_per_peer_max?: number | string
  readonly topic_bytes_max?: number | string
  readonly topic_bytes_per_peer_max?: number | string
  readonly clients_max?: number | string
  readonly messages_per_second?: number | string
  readonly messages_burst?: number | string
  readonly bytes_per_second?: number | string
  readonly bytes_burst?: number | string
  readonly fan_out_per_second?: number | string
  readonly fan_out_burst?: number | string
  readonly fan_out_bytes_per_second?: number | string
  readonly fan_out_bytes_burst?: number | string
  readonly pings_per_second?: number | string
  readonly pings_burst?: number | string
  readonly strikes_per_second?: number | string
  readonly strikes_burst?: number | string
  readonly invalid_messages_max?: number | string
  readonly ping_interval?: number | string
  readonly keepalive_interval?: number | string
  readonly close_hold?: number | string

  readonly outbound_bytes_max?: number | string
  readonly close_timeout?: number | string
  readonly handshake_timeout?: number | string
  readonly peers_max?: number | string
  readonly peers_per_ip_max?: number | string
  readonly peers_per_site_max?: number | string
  readonly connects_per_minute_per_ip?: number | string
  readonly connects_per_minute_per_site?: number | string
  readonly limit_private_ips?: boolean | string
  readonly offences_per_minute_per_ip?: number | string
  readonly refuse_after_close?: number | string
  readonly drain_seconds?: number | string
}

/** A setting that cannot be used. The message names it. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
}

/** What stands beside the settings, of all hosts. */
const OPTIONS = ['authorize', 'log', 'host', 'port', 'signals', 'path', 'runtimePings']

/** Refuses options that no host has: a slip in `authorize` would let everybody in. */
export function checkOptions(options: object): void {
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name))
  if (unknown !== undefined) throw new SettingsError(`there is no option ${JSON.stringify(unknown)}`)
}

/**
 * Names and values as texts. Only `undefined` counts as not there: whatever else is given may be
 * what keeps somebody out.
 */
export function texts(settings: Settings): string[] {
  return Object.entries(settings)
    .filter(([, value]) => value !== undefined)
    .flatMap(([name, value]) => [name, text(name, value)])
}

function text(name: string, value: unknown): string {
  if (OPTIONS.includes(name)) throw new SettingsError(`${name} is an option, not a setting: give it in the second argument`)
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return value.join(',')
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return JSON.stringify(value)
  const found = value === null ? 'null' : Array.isArray(value) ? 'a list of other things than texts' : `a ${typeof value}`
  throw new SettingsError(`${name} is ${found}; leave it out to go without`)
}
