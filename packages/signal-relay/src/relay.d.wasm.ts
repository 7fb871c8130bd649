/** The module, as bundlers and wrangler import it. */
declare const module: WebAssembly.Module
export default module
