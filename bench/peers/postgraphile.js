// PostGraphile as its documentation sets it up: the views of a schema, one role, and the tenant as a setting of each request.
import { createServer } from 'node:http'
import { postgraphile } from 'postgraphile'
import { makePgService } from 'postgraphile/adaptors/pg'
import { grafserv } from 'postgraphile/grafserv/node'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'

// PostGraphile is made for Node.js 22. This is what it misses in 20.
Promise.withResolvers ??= () => {
  let resolve, reject
  const promise = new Promise((...both) => { [resolve, reject] = both })
  return { promise, resolve, reject }
}

const preset = {
  extends: [PostGraphileAmberPreset],
  pgServices: [
    makePgService({ connectionString: process.env.DATABASE_URL, schemas: ['peers'], poolConfig: { max: Number(process.env.CONNECTIONS) } }),
  ],
  grafserv: { graphqlPath: '/graphql', graphiql: false, watch: false },
  grafast: {
    context: ({ node }) => ({ pgSettings: { 'portico.tenant': `{${Number(node.req.headers.merchant)}}` } }),
  },
}

const server = createServer()
await postgraphile(preset).createServ(grafserv).addTo(server)
server.listen(0, '127.0.0.1', () => console.log('listening on', `127.0.0.1:${server.address().port}`))
process.once('SIGTERM', () => process.exit(0))
