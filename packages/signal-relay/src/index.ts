import { base64 } from './inlined.ts'
import { type CompiledModule, type HostOptions, RelayOf, type SettingDescription, type Settings } from './relay.ts'

export * from './relay.ts'

let compiled: WebAssembly.Module | undefined

/** The module of the relay, from inside this package. */
export function module(): CompiledModule {
  if (compiled === undefined) {
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))
    compiled = new WebAssembly.Module(bytes)
  }
  return compiled
}

/** A relay for a host of your own. */
export class Relay extends RelayOf {
  /** @throws {SettingsError} A setting cannot be used. */
  constructor(settings: Settings = {}, options: HostOptions = {}) {
    super(module(), settings, options)
  }
}

/** All settings there are, with their defaults and reasons. */
export function describeSettings(): SettingDescription[] {
  return RelayOf.describe(module())
}
