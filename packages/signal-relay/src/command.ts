// The command: a relay on a port of its own, with the flags and variables of `signal serve`.

import { readFileSync } from 'node:fs'
import process from 'node:process'

import { describeSettings, type Settings, SettingsError } from './index.ts'
import type { ListenOptions } from './listen.ts'
import { meant } from './settings.ts'

/** The runtime that it runs on. */
export interface Runtime {
  readonly name: string
  readonly version: string
  serve(settings: Settings, options: ListenOptions): Promise<{ readonly relay: { readonly access: string }; readonly port: number }>
}

const PREFIX = 'SIGNAL_'
/** In the order of help; the others are the relay's own. */
const OWN: Readonly<Record<string, { form: string; what: string }>> = {
  listen: {
    form: 'WHERE',
    what: 'Where to listen: localhost:4444 is this machine alone, a port alone every interface, 192.0.2.1:4444 one. Default localhost:4444, or the port in PORT',
  },
  port: { form: 'PORT', what: 'This machine alone, as --listen localhost:PORT' },
  token_key_file: { form: 'FILE', what: 'File with the keys, a JWK or a JWK Set, by which every client must show a signed token' },
}
/** Not on a command line, where every user of the machine reads it. */
const HIDDEN = ['token_keys']

const known = describeSettings().filter(({ name }) => !HIDDEN.includes(name))
const names = [...Object.keys(OWN), ...known.map(({ name }) => name)]
const unitOf = (name: string): string => known.find((setting) => setting.name === name)?.unit ?? 'text'

/** What other commands have, and what it is here. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  p: '--port 4444',
  host: '--listen 0.0.0.0:4444',
  hostname: '--listen 0.0.0.0:4444',
  address: '--listen 0.0.0.0:4444',
  bind: '--listen 0.0.0.0:4444',
}

class UsageError extends Error {}

/** A value, and the words in which it was given. */
interface Given {
  readonly text: string
  readonly by: string
}

const flag = (name: string): string => `--${name.replaceAll('_', '-')}`
const variable = (name: string): string => PREFIX + name.toUpperCase()

function help(): string {
  const own = Object.entries(OWN).map(([name, { form, what }]) => [flag(name) + ' ' + form, what] as const)
  const forms = { text: 'TEXT', count: 'N', bytes: 'SIZE', time: 'TIME', switch: 'BOOL' }
  const theirs = known.map(({ name, unit, what, default: value }) => {
    return [`${flag(name)} ${forms[unit]}`, value === undefined ? what : `${what}. Default ${value}`] as const
  })
  const lines = [...own, ...theirs].map(([left, right]) => `  ${left}\n      ${right}\n`)
  return (
    'A y-webrtc signaling relay.\n\nUsage: signal-relay [OPTIONS]\n\n' +
    `Each option is also a variable of the environment: --peers-max is ${variable('peers_max')}.\n\n` +
    `Options:\n${lines.join('')}  --help\n  --version\n`
  )
}

/** The settings that are given. Flags go before variables. */
function given(flags: readonly string[], environment: Readonly<Record<string, string | undefined>>): Map<string, Given> {
  return new Map([...fromEnvironment(environment), ...fromFlags(flags)])
}

function fromEnvironment(environment: Readonly<Record<string, string | undefined>>): Map<string, Given> {
  const found = new Map<string, Given>()
  for (const [by, text] of Object.entries(environment)) {
    if (!by.startsWith(PREFIX) || text === undefined || isOfKubernetes(by, text)) continue
    const name = by.slice(PREFIX.length).toLowerCase()
    if (name === 'port') throw new UsageError(`${by} is not a variable of this relay; PORT is, and ${variable('listen')}`)
    if (!names.includes(name)) {
      throw new UsageError(`${by} is not a variable of this relay${meant(name, names, variable) || '; --help lists them'}`)
    }
    // Compose files have empty ones for what is left out. Of what keeps someone out none is passed over.
    const isGuard = name === 'token_key_file' || (['text', 'switch'].includes(unitOf(name)) && name !== 'listen')
    if (text.trim() !== '' || isGuard) found.set(name, { text, by })
  }
  return found
}

/** Whether Kubernetes sets this variable, for a service that is named `signal` or `signal-…`. */
function isOfKubernetes(name: string, text: string): boolean {
  return /_SERVICE_HOST$|_SERVICE_PORT|_PORT_\d/.test(name) || (name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(text))
}

function fromFlags(flags: readonly string[]): Map<string, Given> {
  const found = new Map<string, Given>()
  const words = [...flags]
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const [, dashed = '', , inline] = /^--([a-z-]+)(=(.*))?$/s.exec(word) ?? []
    const name = dashed.replaceAll('-', '_')
    if (!names.includes(name)) {
      if (/^\d+$/.test(word)) throw new UsageError(`there is no option ${word}; is it --port ${word}?`)
      if (word === 'serve') throw new UsageError('there is no option serve; leave it out, as this command does nothing else')
      const slip = word.replace(/=.*$/s, '').replace(/^-+/, '').replaceAll('-', '_').toLowerCase()
      const here = Object.hasOwn(ELSEWHERE, slip) ? `; is it ${ELSEWHERE[slip]}?` : meant(slip, names, flag)
      throw new UsageError(`there is no option ${word}${here || '; --help lists them'}`)
    }
    const by = flag(name)
    const isAlone = unitOf(name) === 'switch' && (words[0] ?? '-').startsWith('-')
    const text = inline ?? (isAlone ? 'true' : words.shift())
    if (text === undefined || (inline === undefined && text.startsWith('--'))) throw new UsageError(`${by} needs a value`)
    if (found.has(name)) throw new UsageError(`${by} is given twice; a list has commas: ${by} A,B`)
    found.set(name, { text, by })
  }
  return found
}

/** Where to listen. */
function place(all: ReadonlyMap<string, Given>, port: string | undefined): { host: string; port: number } {
  const [own, listen] = [all.get('port'), all.get('listen')]
  if (own !== undefined && listen !== undefined && listen.by.startsWith('--')) {
    throw new UsageError(`${own.by} and ${listen.by} are both given; one of them says where to listen`)
  }
  if (own !== undefined) return { host: 'localhost', port: portOf(own, own.text, '4444') }
  // Platforms that set it send their traffic from outside.
  if (listen === undefined && port !== undefined && port.trim() !== '') return { host: '*', port: portOf({ text: port, by: 'PORT' }, port, '4444') }
  if (listen === undefined) return { host: 'localhost', port: 4444 }
  const text = listen.text.trim()
  const [, host = '*', last = ''] = /^(?:(\[[0-9a-f:.]+\]|[0-9.]+|localhost|\*)?:)?(\d+)$/i.exec(text) ?? []
  const isHost = /^(\[[0-9a-f:.]+\]|[0-9]+(\.[0-9]+){3}|localhost|\*)$/i.test(text)
  return { host: host.replace(/^\[|\]$/g, '').toLowerCase(), port: portOf(listen, last, `${isHost ? text : 'localhost'}:4444`) }
}

function portOf({ text, by }: Given, digits: string, example: string): number {
  if (/^\d{1,5}$/.test(digits.trim()) && Number(digits) <= 65_535) return Number(digits)
  throw new UsageError(`${by} is ${JSON.stringify(text)}, which is not a port${example.includes(':') ? ', nor an address with one' : ''}; write ${example}`)
}

/** The keys of tokens. Editors on Windows write them in UTF-16, and begin UTF-8 with a mark. */
function keys({ text, by }: Given): string {
  const file = text.trim()
  if (file === '') throw new UsageError(`${by} is empty; name a file, or leave it out to ask no one for a token`)
  try {
    const bytes = readFileSync(file)
    const [first, second] = bytes
    const encoding = first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8'
    return new TextDecoder(encoding).decode(bytes)
  } catch (error) {
    throw new UsageError(`${by} cannot be read: ${(error as Error).message}`)
  }
}

/** What is open to whom, for a person. */
function greet({ name, version }: Runtime, host: string, port: number, access: string): void {
  const isLocal = host === 'localhost' || host === '*' || host === '::' || host === '0.0.0.0'
  const url = `ws://${isLocal ? 'localhost' : host.includes(':') ? `[${host}]` : host}:${port}`
  const where = host === 'localhost' ? ' to this machine alone' : ''
  console.log(`signal-relay ${version} on ${name} serves ${url}${where}, to ${access}`)
  console.log(`in a y-webrtc app: signaling: ['${url}']; Ctrl-C drains and ends`)
}

async function main(runtime: Runtime): Promise<void> {
  const words = process.argv.slice(2)
  if (words.includes('--help') || words.includes('-h')) return console.log(help())
  if (words.includes('--version') || words.includes('-V')) return console.log(`signal-relay ${runtime.version}`)
  const all = given(words, process.env)
  const { host, port } = place(all, process.env.PORT)
  const settings: Record<string, string> = {}
  for (const [name, { text }] of all) {
    if (!Object.hasOwn(OWN, name)) settings[name] = text
  }
  const file = all.get('token_key_file')
  if (file !== undefined) settings.token_keys = keys(file)
  const running = await runtime.serve(settings as Settings, { host, port })
  greet(runtime, host, running.port, running.relay.access)
}

/** Runs the command. */
export function run(runtime: Runtime): void {
  main(runtime).catch((error: Error & { code?: string }) => {
    const isTheirs = error instanceof UsageError || error instanceof SettingsError
    const words = error.code === 'ERR_MODULE_NOT_FOUND' ? 'on Node this needs ws; run npm install ws' : error.message
    console.error(`signal-relay: ${words}`)
    process.exit(isTheirs ? 2 : 1)
  })
}
