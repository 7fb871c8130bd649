/** What a setting may be: a list stands for a text with commas, an object, of `token_keys`, for its JSON. */
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
  /** Where an identity provider publishes its keys, in place of `token_keys`. */
  readonly token_jwks_url?: string
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
  readonly outbound_grace?: number | string
  readonly memory_max?: number | string
  readonly close_timeout?: number | string
  readonly handshake_timeout?: number | string
  readonly handshakes_max?: number | string
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

/** What may stand beside the settings of a relay. */
const OPTIONS = ['authorize', 'log', 'runtimePings']
/** What some hosts take beside them, and which. */
const OPTIONS_OF: Readonly<Record<string, string>> = { host: 'serve', port: 'serve', signals: 'serve', path: 'attach on Node' }

/**
 * Refuses options that do not exist here: a slip in `authorize` would let everybody in.
 *
 * @param settings The names of all settings, of which one may stand in the wrong place.
 */
export function checkOptions(options: object, settings: () => readonly string[]): void {
  for (const [name, value] of Object.entries(plain('options', options))) {
    if (name === 'authorize') checkThere(name, value)
  }
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name))
  if (unknown === undefined) return
  const host = Object.hasOwn(OPTIONS_OF, unknown) ? OPTIONS_OF[unknown] : undefined
  if (host !== undefined) throw new SettingsError(`${unknown} is an option of ${host}, and of nothing else`)
  if (settings().includes(unknown)) throw new SettingsError(`${unknown} is a setting, not an option: give it in the argument before`)
  throw new SettingsError(`there is no option ${JSON.stringify(unknown)}${meant(unknown, [...OPTIONS, ...Object.keys(OPTIONS_OF)])}`)
}

/**
 * Refuses what has no members to read, such as a promise, a map or an object with getters: taken
 * for settings, it would be a relay without any, which lets everybody in.
 *
 * @throws {SettingsError} It is not a plain object.
 */
export function plain<Given>(what: 'settings' | 'options', given: Given): Given {
  const prototype: unknown = typeof given === 'object' && given !== null ? Object.getPrototypeOf(given) : undefined
  // An object of another realm has another prototype, which has none either.
  const isPlain = prototype === null || (typeof prototype === 'object' && Object.getPrototypeOf(prototype) === null)
  if (isPlain) return given
  const hint = given instanceof Promise ? '; await it' : ''
  throw new SettingsError(`${what} are ${shown(given)}, not an object with names and values${hint}`)
}

/** A value for an error: what it is, and no more of it than tells. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (value === null || typeof value === 'number' || typeof value === 'boolean' || value === undefined) return String(value)
  if (Array.isArray(value)) return 'a list'
  if (typeof value !== 'object') return `a ${typeof value}`
  const name: unknown = value.constructor?.name
  return typeof name === 'string' && name !== 'Object' ? `a ${name}` : 'an object'
}

/** The most slips by which a name may be off to be taken for another. */
const SLIPS_MAX = 3

/** `; is it …?` with the name that may be meant, if there is one. */
export function meant(name: string, names: readonly string[], spell = (name: string): string => name): string {
  const most = Math.min(SLIPS_MAX, Math.floor(name.length / 2))
  const near = names.map((known) => ({ known, slips: slips(name, known) })).filter(({ slips }) => slips <= most)
  const [best] = near.sort((one, other) => one.slips - other.slips)
  return best === undefined ? '' : `; is it ${spell(best.known)}?`
}

/** How many letters have to be put in, taken out or changed to make one word into another. */
function slips(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (const [line, letter] of [...one].entries()) {
    const next = [line + 1]
    for (const [at, wanted] of [...other].entries()) {
      const changed = (row[at] ?? 0) + (letter === wanted ? 0 : 1)
      next.push(Math.min(changed, (row[at + 1] ?? 0) + 1, (next[at] ?? 0) + 1))
    }
    row = next
  }
  return row.at(-1) ?? 0
}

/**
 * Names and values as texts. Only a limit that is `undefined` counts as not there: whatever else is given may be what
 * keeps somebody out.
 */
export function texts(settings: Settings): string[] {
  for (const [name, value] of Object.entries(plain('settings', settings))) {
    if (GUARDS.includes(name)) checkThere(name, value)
  }
  return Object.entries(settings)
    .filter(([, value]) => value !== undefined)
    .flatMap(([name, value]) => [name, text(name, value)])
}

/**
 * Settings that keep somebody out. Given as `undefined`, as a variable of the environment is that nobody has set, they
 * would let in everyone whom they were to keep out.
 */
const GUARDS = [
  'origins',
  'token_keys',
  'token_jwks_url',
  'token_audience',
  'token_issuer',
  'token_topics_claim',
  'token_topics_default',
  'token_in',
  'trusted_proxies',
]

/** Those that may be lists. */
const LISTS = ['origins', 'token_in', 'token_topics_default', 'trusted_proxies']

function checkThere(name: string, value: unknown): void {
  if (value !== undefined) return
  throw new SettingsError(`${name} is undefined, which would let in those whom it is to keep out; leave it out to go without`)
}

function text(name: string, value: unknown): string {
  if (OPTIONS.includes(name) || Object.hasOwn(OPTIONS_OF, name)) throw new SettingsError(`${name} is an option, not a setting: give it in the argument after the settings`)
  const isGuard = GUARDS.includes(name)
  if (typeof value === 'string') return value
  if (!isGuard && (typeof value === 'number' || typeof value === 'boolean')) return String(value)
  if ((LISTS.includes(name) || !isGuard) && Array.isArray(value) && value.every((entry) => typeof entry === 'string')) return value.join(',')
  if ((name === 'token_keys' || !isGuard) && typeof value === 'object' && value !== null && !Array.isArray(value)) return JSON.stringify(value) ?? ''
  const kind = typeof value === 'object' ? 'an object' : `a ${typeof value}`
  const found = value === null ? 'null' : !Array.isArray(value) ? kind : LISTS.includes(name) ? 'a list of other things than texts' : 'a list'
  throw new SettingsError(`${name} is ${found}; leave it out to go without`)
}
