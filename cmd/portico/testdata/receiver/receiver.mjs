// A merchant's product: it is launched with a token and told of its subscriptions by webhooks. Configured by the environment:
// PORT, PORTAL_JWT_SECRET, PRODUCT_IDENTIFIER, PORTAL_WEBHOOK_SECRET.
import crypto from 'node:crypto'
import express from 'express'
import jwt from 'jsonwebtoken'

const { PORT, PORTAL_JWT_SECRET, PRODUCT_IDENTIFIER, PORTAL_WEBHOOK_SECRET } = process.env
const app = express()
const received = []

app.get('/launch', (req, res) => {
  try {
    const user = jwt.verify(req.query.token, PORTAL_JWT_SECRET, { algorithms: ['HS256'], audience: PRODUCT_IDENTIFIER })
    res.json({ user, canReport: user.subscription.features.advancedReporting === true })
  } catch (error) {
    res.status(401).json({ error: error.message })
  }
})

app.post('/webhook', express.json(), (req, res) => {
  const expected = crypto.createHmac('sha256', PORTAL_WEBHOOK_SECRET).update(JSON.stringify(req.body)).digest('hex')
  const given = req.get('x-portal-signature') ?? ''
  if (given.length !== expected.length || !crypto.timingSafeEqual(Buffer.from(given), Buffer.from(expected))) {
    return res.status(401).json({ error: 'Invalid signature' })
  }
  received.push({ id: req.get('webhook-id'), ...req.body })
  res.json({ received: true })
})

app.get('/received', (_req, res) => res.json(received))

app.listen(Number(PORT), '127.0.0.1', () => console.log('listening'))
