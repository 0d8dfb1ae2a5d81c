// A product that the portal launches. Its environment: PORT, PORTAL_JWT_SECRET, PORTAL_WEBHOOK_SECRET, PORTAL_UPGRADE_URL.
import crypto from 'node:crypto'
import express from 'express'
import jwt from 'jsonwebtoken'

const { PORT, PORTAL_JWT_SECRET, PORTAL_WEBHOOK_SECRET, PORTAL_UPGRADE_URL } = process.env
const app = express()
app.use(express.json())

const companies = new Map() // by id: { name, active }
const sessions = new Map() // by session id: what the launch token said
const employees = new Map() // how many each company has
const events = []

app.get('/launch', (req, res) => {
  let user
  try {
    user = jwt.verify(req.query.token, PORTAL_JWT_SECRET, { algorithms: ['HS256'] })
  } catch {
    return res.status(401).json({ error: 'Invalid or expired token' })
  }
  if (!companies.has(user.companyId)) companies.set(user.companyId, { name: user.companyName, active: true })
  const session = crypto.randomUUID()
  sessions.set(session, user)
  res.cookie('session', session, { httpOnly: true, sameSite: 'lax' })
  res.redirect('/dashboard')
})

const signedIn = (req, res, next) => {
  const session = /(?:^|; )session=([^;]+)/.exec(req.headers.cookie ?? '')?.[1]
  req.user = sessions.get(session)
  if (!req.user) return res.status(401).json({ error: 'Launch this product from the portal' })
  if (!companies.get(req.user.companyId).active) return res.status(402).json({ error: 'Your subscription has ended', upgradeUrl: PORTAL_UPGRADE_URL })
  next()
}

const requireFeature = (feature) => (req, res, next) => {
  if (!req.user.subscription.features[feature]) {
    return res.status(403).json({ error: `${feature} is not part of your plan`, upgradeUrl: PORTAL_UPGRADE_URL })
  }
  next()
}

const requireLimit = (feature, count) => (req, res, next) => {
  const limit = req.user.subscription.features[feature] || 0
  const current = count(req)
  if (current >= limit) {
    return res.status(403).json({ error: `You have reached the limit of ${limit}`, current, upgradeUrl: PORTAL_UPGRADE_URL })
  }
  next()
}

const headcount = (req) => employees.get(req.user.companyId) || 0

app.get('/dashboard', signedIn, (req, res) => res.json(req.user))
app.get('/reports', signedIn, requireFeature('advancedReporting'), (_req, res) => res.json({ ok: true }))
app.get('/payroll', signedIn, requireFeature('payroll'), (_req, res) => res.json({ ok: true }))
app.get('/exports', signedIn, requireFeature('exports'), (_req, res) => res.json({ ok: true }))
app.post('/projects', signedIn, requireLimit('maxProjects', () => 1_000_000_000), (_req, res) => res.json({ ok: true }))
app.post('/offices', signedIn, requireLimit('maxOffices', () => 0), (_req, res) => res.json({ ok: true }))
app.post('/employees', signedIn, requireLimit('maxEmployees', headcount), (req, res) => {
  employees.set(req.user.companyId, headcount(req) + 1)
  res.status(201).json({ employees: headcount(req) })
})

app.post('/webhooks/portal', (req, res) => {
  const signature = req.headers['x-portal-signature']
  const expected = crypto.createHmac('sha256', PORTAL_WEBHOOK_SECRET).update(JSON.stringify(req.body)).digest('hex')
  if (signature !== expected) return res.status(401).json({ error: 'Invalid signature' })

  const { event, data } = req.body
  const company = companies.get(data.companyId)
  events.push({ event, data })
  switch (event) {
    case 'subscription.canceled':
      if (company) company.active = false
      break
    case 'subscription.renewed':
      if (company) company.active = true
      break
  }
  res.json({ received: true })
})

app.get('/events', (_req, res) => res.json(events))

app.listen(PORT, '127.0.0.1', () => console.log('listening'))
