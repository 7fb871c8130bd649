// Builds `dist/` from the module that `cargo xtask` has made: node build.mjs path/to/relay.wasm
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const module = process.argv[2]
if (module === undefined) {
  console.error('`cargo xtask test javascript` builds all; or `cargo xtask test module`, then `npm run build -- ../../target/xtask/module/relay.wasm`')
  process.exit(2)
}
rmSync(here('dist'), { recursive: true, force: true })
mkdirSync(here('dist'))
const base64 = readFileSync(module).toString('base64')
writeFileSync(
  here('src/inlined.ts'),
  `// Written by build.mjs.\n/** The module of the relay, in base64. */\nexport const base64: string =\n  '${base64}'\n`,
)
copyFileSync(module, here('dist/relay.wasm'))
copyFileSync(here('src/relay.d.wasm.ts'), here('dist/relay.d.wasm.ts'))
execFileSync(process.execPath, [here('node_modules/typescript/bin/tsc'), '--project', here('tsconfig.json')], {
  stdio: 'inherit',
})
