/** The module, as bundlers and wrangler import it. */
declare const module: object
export default module
