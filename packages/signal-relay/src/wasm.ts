import imported from './relay.wasm'
import { type CompiledModule, type HostOptions, RelayOf, type Settings } from './relay.ts'

export * from './relay.ts'

/** The module of the relay, as the bundler imports it: compiled, or as bytes. */
export const module: CompiledModule = compiled(imported)

function compiled(imported: unknown): CompiledModule {
  if (imported instanceof WebAssembly.Module) return imported
  if (imported instanceof ArrayBuffer || imported instanceof Uint8Array) return new WebAssembly.Module(imported as BufferSource)
  throw new Error(
    `signal-relay/wasm: the bundler has made a ${typeof imported} of relay.wasm, not a WebAssembly.Module or its bytes; ` +
      "give it a loader that does (of esbuild --loader:.wasm=binary, of webpack type: 'asset/bytes'), " +
      'or import signal-relay, which has the module inside',
  )
}

/** A relay over the module that the bundler imports, which a Worker may not compile itself. */
export class Relay extends RelayOf {
  /** @throws {SettingsError} A setting cannot be used. */
  constructor(settings: Settings = {}, options: HostOptions = {}) {
    super(module, settings, options)
  }
}
