import crypto from 'node:crypto'

import express from 'express'

const { PORTAL_WEBHOOK_SECRET = '' } = process.env

/** One secret, or several with spaces between them: both while one takes the other's place. */
const secrets = PORTAL_WEBHOOK_SECRET.split(' ').filter(Boolean)

function isSigned(req, body) {
  const given = Buffer.from(req.get('x-portal-signature') ?? '')
  return secrets.some((secret) => {
    const expected = Buffer.from(crypto.createHmac('sha256', secret).update(body).digest('hex'))
    return given.length === expected.length && crypto.timingSafeEqual(given, expected)
  })
}

/** Receives webhooks. `company` gives what the product knows of a company. */
export function webhooks(company) {
  const router = express.Router()

  // The signature is over the bytes as they were sent, so this is before anything parses them.
  router.post('/', express.raw({ type: 'application/json' }), (req, res) => {
    if (!Buffer.isBuffer(req.body) || !isSigned(req, req.body)) return res.status(401).json({ error: 'Invalid signature' })
    take(JSON.parse(req.body))
    res.json({ received: true })
  })

  // Where a parser came first, its result written as JSON again is byte for byte the same.
  router.post('/parsed', express.json(), (req, res) => {
    if (!isSigned(req, JSON.stringify(req.body))) return res.status(401).json({ error: 'Invalid signature' })
    take(req.body)
    res.json({ received: true })
  })

  /** Every loss of access is subscription.canceled and every regain subscription.renewed, whatever the cause. */
  function take({ event, sequence, data }) {
    if (!['subscription.created', 'subscription.renewed', 'subscription.canceled'].includes(event)) return
    const { sequences } = company(data.companyId)
    // An event may come twice, and one that failed may be overtaken by later ones.
    if (sequence <= (sequences.get(data.subscriptionId) ?? 0)) return
    sequences.set(data.subscriptionId, sequence)
    company(data.companyId).enabled = event !== 'subscription.canceled'
    console.log(`${event} for company ${data.companyId}`)
  }

  return router
}
