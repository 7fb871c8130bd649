/**
 * The command of the JSR package: `deno run -A jsr:@signal-relay/relay/cli --port 4444`.
 *
 * @module
 */

import config from '../deno.json' with { type: 'json' }
import { run } from './command.ts'
import { serve } from './deno.ts'

run({ name: 'Deno', version: config.version, serve })
