import module from './relay.wasm'
import { type HostOptions, RelayOf, type Settings } from './relay.ts'

export * from './relay.ts'
export { module }

/** A relay over the module that the bundler imports, which a Worker may not compile itself. */
export class Relay extends RelayOf {
  /** @throws {SettingsError} A setting cannot be used. */
  constructor(settings: Settings = {}, options: HostOptions = {}) {
    super(module, settings, options)
  }
}
