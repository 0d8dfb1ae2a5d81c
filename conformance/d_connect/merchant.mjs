// A merchant whose customers may connect their subscriptions. Its environment: PORT, PORTAL_URL, TOKEN_KEY.
import express from 'express'

const { PORT, PORTAL_URL, TOKEN_KEY } = process.env
const app = express()
app.use(express.json())
app.use(express.urlencoded({ extended: false }))
const payments = []

// The integration page: the portal sends the customer here.
app.get('/connect', (req, res) => {
  const { user_token, product_identifier } = req.query
  res.send(`<form method="post" action="/connect/allow">
    <input type="hidden" name="user_token" value="${user_token}"><input type="hidden" name="product_identifier" value="${product_identifier}">
    <button>Allow</button> <button formaction="/connect/cancel">Cancel</button></form>`)
})
app.post('/connect/cancel', (_req, res) => res.json({ connected: false }))

const report = async (order) => {
  const response = await fetch(`${PORTAL_URL}/order/product`, {
    method: 'POST',
    headers: { 'api-key': TOKEN_KEY, 'Content-Type': 'application/json' },
    body: JSON.stringify(order),
  })
  return { status: response.status, body: await response.json() }
}

// The customer allowed it: the merchant looks up what the customer has, and stops its own renewal.
const subscriptions = new Map()
app.post('/subscriptions', (req, res) => {
  subscriptions.set(req.body.product_identifier, req.body)
  res.json({})
})
app.post('/connect/allow', async (req, res) => {
  const { user_token, product_identifier } = req.body
  const { status, body } = await report({ ...subscriptions.get(product_identifier), user_token, product_identifier })
  res.status(status).json(body)
})

// Whatever changes on the merchant's side is reported again.
app.post('/report', async (req, res) => {
  const { status, body } = await report(req.body)
  res.status(status).json(body)
})

app.post('/payments', (req, res) => {
  if (req.get('api-key') !== TOKEN_KEY) return res.status(401).json({ error: 'unknown key' })
  payments.push({ id: req.get('webhook-id'), body: req.body })
  res.json({ received: true })
})
app.get('/payments', (_req, res) => res.json(payments))

app.listen(PORT, '127.0.0.1', () => console.log('listening'))
