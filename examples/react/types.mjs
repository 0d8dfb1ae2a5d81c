// Writes the types of the page's documents to src/gql: node types.mjs
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { preset } from '@graphql-codegen/client-preset'
import { codegen } from '@graphql-codegen/core'
import { buildSchema, parse } from 'graphql'

const folder = join(import.meta.dirname, 'src')
const sdl = readFileSync(join(import.meta.dirname, '..', '..', 'schema.graphqls'), 'utf8')
const location = join(folder, 'portal.graphql')
const rawSDL = readFileSync(location, 'utf8')

const files = await preset.buildGeneratesSection({
  baseOutputDir: join(folder, 'gql') + '/',
  presetConfig: { fragmentMasking: false },
  schema: parse(sdl),
  schemaAst: buildSchema(sdl),
  documents: [{ location, rawSDL, document: parse(rawSDL) }],
  config: {
    enumsAsTypes: true,
    useTypeImports: true,
    scalars: { DateTime: 'string', Long: 'number' },
    defaultScalarType: 'unknown',
  },
  plugins: [],
  pluginMap: {},
  pluginContext: {},
})

rmSync(join(folder, 'gql'), { recursive: true, force: true })
for (const file of files) {
  const text = await codegen(file)
  mkdirSync(dirname(file.filename), { recursive: true })
  writeFileSync(file.filename, text)
}
