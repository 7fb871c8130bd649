#!/usr/bin/env node
// The command of the npm package, on whichever runtime this is.

import { readFileSync } from 'node:fs'

import { run, type Runtime } from './command.ts'

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
const name = 'Deno' in globalThis ? 'Deno' : 'Bun' in globalThis ? 'Bun' : `Node ${process.versions.node}`

const serve: Runtime['serve'] = async (settings, options) => {
  if (name === 'Deno') return (await import('./deno.ts')).serve(settings, options)
  if (name === 'Bun') return (await import('./bun.ts')).serve(settings, options)
  return (await import('./node.ts')).serve(settings, options)
}

run({ name, version, serve })
