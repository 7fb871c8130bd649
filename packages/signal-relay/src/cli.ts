#!/usr/bin/env node
// The command: a relay on a port of its own, with the flags and variables of `signal serve`.

import { readFileSync } from 'node:fs'

import { describeSettings, type Settings, SettingsError } from './index.ts'

const PREFIX = 'SIGNAL_'
/** In the order of help; the others are the relay's own. */
const OWN: Record<string, { form: string; what: string }> = {
  listen: { form: 'IP:PORT', what: 'Where to listen: an address and a port, or a port on this machine alone. Default 127.0.0.1:4444' },
  port: { form: 'PORT', what: 'The same as --listen PORT' },
  token_key_file: { form: 'FILE', what: 'File with the keys, a JWK or a JWK Set, by which every client must show a signed token' },
}
/** Not on a command line, where every user of the machine reads it. */
const HIDDEN = ['token_keys']

const known = describeSettings().filter(({ name }) => !HIDDEN.includes(name))
const isSwitch = (name: string): boolean => known.some((setting) => setting.name === name && setting.unit === 'switch')
const isKnown = (name: string): boolean => name in OWN || known.some((setting) => setting.name === name)

class UsageError extends Error {}

function help(): string {
  const own = Object.entries(OWN).map(([name, { form, what }]) => [flag(name) + ' ' + form, what] as const)
  const forms = { text: 'TEXT', count: 'N', bytes: 'SIZE', time: 'TIME', switch: 'BOOL' }
  const theirs = known.map(({ name, unit, what, default: value }) => {
    return [`${flag(name)} ${forms[unit]}`, value === undefined ? what : `${what}. Default ${value}`] as const
  })
  const lines = [...own, ...theirs].map(([left, right]) => `  ${left}\n      ${right}\n`)
  return (
    'A y-webrtc signaling relay.\n\nUsage: signal-relay [OPTIONS]\n\n' +
    `Each option is also a variable of the environment: --peers-max is ${PREFIX}PEERS_MAX.\n\n` +
    `Options:\n${lines.join('')}  --help\n  --version\n`
  )
}

const flag = (name: string): string => `--${name.replaceAll('_', '-')}`

/** The settings that are given, each by the words in which it was. Flags go before variables. */
function given(flags: string[], environment: NodeJS.ProcessEnv): Map<string, { text: string; by: string }> {
  const found = new Map<string, { text: string; by: string }>()
  for (const [name, text] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || text === undefined) continue
    const setting = name.slice(PREFIX.length).toLowerCase()
    if (!isKnown(setting) || setting === 'port') throw new UsageError(`${name} is not a variable of this relay; --help lists them`)
    found.set(setting, { text, by: name })
  }
  const words = [...flags]
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const [, dashed = '', , inline] = /^--([a-z-]+)(=(.*))?$/s.exec(word) ?? []
    const name = dashed.replaceAll('-', '_')
    if (!isKnown(name)) throw new UsageError(`there is no option ${word}; --help lists them`)
    const isAlone = isSwitch(name) && !['true', 'false'].includes(words[0] ?? '')
    const text = inline ?? (isAlone ? 'true' : words.shift())
    if (text === undefined) throw new UsageError(`${word} needs a value`)
    found.set(name, { text, by: `--${dashed}` })
  }
  return found
}

function address(text: string, by: string): { host: string; port: number } {
  const [, , host = '127.0.0.1', port] = /^((\[[0-9a-f:]+\]|[0-9.]+|localhost):)?(\d{1,5})$/i.exec(text.trim()) ?? []
  if (port === undefined || Number(port) > 65_535) {
    throw new UsageError(`${by} is ${JSON.stringify(text)}, which is not an address with a port; write 127.0.0.1:4444`)
  }
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) }
}

async function main(): Promise<void> {
  const words = process.argv.slice(2)
  if (words.includes('--help') || words.includes('-h')) return console.log(help())
  if (words.includes('--version')) return console.log(`signal-relay ${version()}`)
  const all = given(words, process.env)
  const { text, by } = all.get('port') ?? all.get('listen') ?? { text: '127.0.0.1:4444', by: 'listen' }
  if (all.has('port') && all.has('listen')) throw new UsageError(`${by} and ${all.get('listen')?.by} are both given; one of them says where to listen`)
  const listen = address(text, by)
  const settings: Record<string, string> = {}
  for (const [name, { text }] of all) {
    if (!(name in OWN)) settings[name] = text
  }
  const keys = all.get('token_key_file')
  if (keys !== undefined) settings.token_keys = read(keys.text, keys.by)
  const port = await start(settings as Settings, listen)
  const { access, runtime } = port
  const url = `ws://${listen.host.includes(':') ? `[${listen.host}]` : listen.host}:${port.port}`
  console.log(`signal-relay ${version()} on ${runtime} serves ${url}, to ${access}`)
  console.log(`in a y-webrtc app: signaling: ['${url.replace('0.0.0.0', 'localhost')}']; Ctrl-C drains and ends`)
}

async function start(settings: Settings, listen: { host: string; port: number }): Promise<{ port: number; access: string; runtime: string }> {
  if ('Deno' in globalThis) {
    const { relay, port } = (await import('./deno.ts')).serve(settings, listen)
    await relay.ready()
    return { port, access: relay.access, runtime: 'Deno' }
  }
  if ('Bun' in globalThis) {
    const { relay, port } = (await import('./bun.ts')).serve(settings, listen)
    await relay.ready()
    return { port, access: relay.access, runtime: 'Bun' }
  }
  const { relay, server } = await (await import('./node.ts')).serve(settings, listen)
  const bound = server.address()
  return { port: typeof bound === 'object' && bound !== null ? bound.port : listen.port, access: relay.access, runtime: `Node ${process.versions.node}` }
}

function read(file: string, by: string): string {
  try {
    return readFileSync(file.trim(), 'utf8')
  } catch (error) {
    throw new UsageError(`${by} cannot be read: ${(error as Error).message}`)
  }
}

function version(): string {
  return (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version
}

main().catch((error: NodeJS.ErrnoException) => {
  const isTheirs = error instanceof UsageError || error instanceof SettingsError
  const words = error.code === 'ERR_MODULE_NOT_FOUND' ? 'on Node this needs ws; run npm install ws' : error.message
  console.error(`signal-relay: ${words}`)
  process.exit(isTheirs ? 2 : 1)
})
