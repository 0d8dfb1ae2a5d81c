// Mercurius with its JIT and SQL by hand: one prepared statement for a question, whatever its depth.
import Fastify from 'fastify'
import mercurius from 'mercurius'
import pg from 'pg'

const pool = new pg.Pool({
  connectionString: process.env.DATABASE_URL, options: '-c portico.tenant=system', max: Number(process.env.CONNECTIONS),
})

const schema = `
  scalar JSON
  scalar DateTime
  input CustomerRef { number: Int }
  input ProductRef { identifier: String }
  type Access {
    allowed: Boolean! reason: String! tier: String status: String seats: Int expiresAt: DateTime upgradeUrl: String! features: JSON
  }
  type Money { amountMinor: Int! currency: String! }
  type Price { interval: String! money: Money! }
  type Plan { number: Int! name: String! tier: String! prices: [Price!]! }
  type Product { identifier: String! name: String! status: String! plans: [Plan!]! }
  type ProductConnection { nodes: [Product!]! }
  type Query {
    access(customer: CustomerRef!, product: ProductRef!): Access
    products(first: Int!): ProductConnection!
  }
`

const ACCESS = 'select * from peers.access($1, $2, $3)'

const PRODUCTS = `
  select p.identifier, p.name, p.status, pl.number::integer as plan_number, pl.name as plan_name, pl.tier,
         pr.interval, pr.amount_minor::integer as amount_minor, pr.currency
  from (select * from peers.product where merchant_id = $1 order by id desc limit $2) p
  left join peers.plan pl on pl.merchant_id = p.merchant_id and pl.product_id = p.id
  left join peers.price pr on pr.merchant_id = pl.merchant_id and pr.plan_id = pl.id
  order by p.id desc, pl.id, pr.id`

function value ({ kind, enabled, limit, text }) {
  switch (kind) {
    case 'BOOLEAN': return enabled
    case 'LIMIT': return limit
    default: return text
  }
}

function access ({ expires_at: expiresAt, upgrade_url: upgradeUrl, features, ...row }) {
  const values = features && Object.fromEntries(Object.entries(features).map(([name, feature]) => [name, value(feature)]))
  return { ...row, expiresAt: expiresAt?.toISOString(), upgradeUrl, features: values }
}

// nest relies on the order of the rows: those of a product, and of a plan, are neighbours.
function nest (rows) {
  const products = []
  let product, plan
  for (const row of rows) {
    if (product?.identifier !== row.identifier) {
      product = { identifier: row.identifier, name: row.name, status: row.status, plans: [] }
      plan = undefined
      products.push(product)
    }
    if (row.plan_number === null) continue
    if (plan?.number !== row.plan_number) {
      plan = { number: row.plan_number, name: row.plan_name, tier: row.tier, prices: [] }
      product.plans.push(plan)
    }
    if (row.interval === null) continue
    plan.prices.push({ interval: row.interval, money: { amountMinor: row.amount_minor, currency: row.currency } })
  }
  return products
}

const resolvers = {
  Query: {
    async access (_, { customer, product }, { merchant }) {
      const { rows } = await pool.query({ name: 'access', text: ACCESS, values: [merchant, customer.number, product.identifier] })
      return rows.length > 0 ? access(rows[0]) : null
    },
    async products (_, { first }, { merchant }) {
      const { rows } = await pool.query({ name: 'products', text: PRODUCTS, values: [merchant, first] })
      return { nodes: nest(rows) }
    },
  },
}

const app = Fastify()
app.register(mercurius, { schema, resolvers, jit: 1, context: ({ headers }) => ({ merchant: headers.merchant }) })
console.log('listening on', new URL(await app.listen({ host: '127.0.0.1', port: 0 })).host)
process.once('SIGTERM', () => process.exit(0))
