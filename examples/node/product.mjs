// Rosterly plans shifts for small teams, and is sold through Portico.
import crypto from 'node:crypto'

import express from 'express'

import { allowance } from './access.mjs'
import { verifyLaunch } from './launch.mjs'
import { webhooks } from './webhooks.mjs'

const { PORT = '3000' } = process.env

/** What a product would keep in its database, by company. */
const companies = new Map()
const company = (id) => {
  if (!companies.has(id)) companies.set(id, { enabled: true, sequences: new Map(), employees: [] })
  return companies.get(id)
}
const sessions = new Map()

const app = express()
app.use('/webhooks', webhooks(company))

// The portal sends the customer here. The token says who it is and what the subscription allows.
app.get('/launch', (req, res) => {
  let user
  try {
    user = verifyLaunch(req.query.token)
  } catch (error) {
    return res.status(401).json({ error: error.message })
  }
  const id = crypto.randomBytes(24).toString('base64url')
  sessions.set(id, user)
  res.cookie('session', id, { httpOnly: true, sameSite: 'lax' }).redirect('/')
})

app.use((req, res, next) => {
  const [, id] = /(?:^|; )session=([\w-]+)/.exec(req.get('cookie') ?? '') ?? []
  req.user = sessions.get(id)
  if (!req.user) return res.status(401).json({ error: 'Open Rosterly from the portal.' })
  req.company = company(req.user.companyId)
  if (!req.company.enabled) return res.status(403).json({ error: `The subscription of ${req.user.companyName} has ended.` })
  next()
})

app.get('/', (req, res) => {
  const { name, email, companyId, companyName, subscription } = req.user
  res.json({ name, email, companyId, companyName, tier: subscription.tier, features: subscription.features, employees: req.company.employees })
})

// A boolean gates: missing is false.
app.get('/reports', async (req, res) => {
  const { allowed, upgradeUrl } = await allowance(req.user, 'advancedReporting')
  if (!allowed) return res.status(403).json({ error: 'Reports are not in your plan.', upgradeUrl })
  res.json({ shifts: req.company.employees.length * 5 })
})

// A number limits: missing is 0.
app.post('/employees', express.json(), async (req, res) => {
  const name = typeof req.body?.name === 'string' ? req.body.name.trim() : ''
  if (!name) return res.status(400).json({ error: 'name is missing' })
  const current = req.company.employees.length
  const { limit, upgradeUrl } = await allowance(req.user, 'maxEmployees')
  if (current >= limit) return res.status(403).json({ error: `Your plan allows ${limit} employees.`, current, upgradeUrl })
  req.company.employees.push(name)
  res.status(201).json({ name })
})

app.listen(Number(PORT), '127.0.0.1', () => console.log(`Rosterly listens on http://127.0.0.1:${PORT}`))
