import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

const out = join(import.meta.dirname, 'dist')

/** Keeps what web.go embeds: pages as they are, as each answer gets a nonce of its own, and everything else compressed only. */
function compressed(): Plugin {
  return {
    name: 'compressed',
    apply: 'build',
    buildStart() {
      // What git keeps in the folder stays, so that Go compiles without the pages.
      const made = existsSync(out) ? readdirSync(out).filter((name) => !name.startsWith('.')) : []
      for (const name of made) rmSync(join(out, name), { recursive: true })
    },
    closeBundle() {
      const assets = join(out, 'assets')
      for (const name of readdirSync(assets)) {
        const path = join(assets, name)
        const content = readFileSync(path)
        const size = { [constants.BROTLI_PARAM_SIZE_HINT]: content.length }
        writeFileSync(`${path}.br`, brotliCompressSync(content, { params: size }))
        writeFileSync(`${path}.gz`, gzipSync(content, { level: constants.Z_BEST_COMPRESSION }))
        rmSync(path)
      }
    },
  }
}

export default defineConfig({
  plugins: [react(), compressed()],
  html: { cspNonce: 'NONCE' },
  build: {
    outDir: out,
    emptyOutDir: false,
    // For whoever hands the binary on.
    license: { fileName: 'licenses.txt' },
    // A data: address would need a policy that admits it.
    assetsInlineLimit: 0,
    // Monaco is large, and loaded by the pages that need it only.
    chunkSizeWarningLimit: 4096,
    rolldownOptions: {
      // One entry for each page.
      input: { graphiql: join(import.meta.dirname, 'graphiql.html') },
      // GraphiQL is compiled: what it says to React's compiler is of no use any more.
      checks: { moduleLevelDirective: false },
    },
  },
})
