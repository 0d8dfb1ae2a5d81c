// A server that sends its users to buy. Its environment: PORT, PORTAL_URL, PORTAL_API_KEY, PAYWALL_ID.
import express from 'express'

const { PORT, PORTAL_URL, PORTAL_API_KEY, PAYWALL_ID } = process.env
const app = express()
app.use(express.json())

app.post('/upgrade', async (req, res) => {
  const response = await fetch(`${PORTAL_URL}/api/v1/paywall/${PAYWALL_ID}/get-customer-portal`, {
    method: 'POST',
    headers: { 'x-api-key': PORTAL_API_KEY, 'Content-Type': 'application/json' },
    body: JSON.stringify({ email: req.body.email, userMeta: req.body.userMeta }),
  })
  const body = await response.json()
  if (!response.ok) return res.status(response.status).json({ error: body.error })
  res.json({ url: body.url })
})

app.listen(PORT, '127.0.0.1', () => console.log('listening'))
