// A shop's server, which sends its customers to the portal. Its environment: PORT, PORTAL_URL, PORTAL_API_KEY.
import express from 'express'
import jwt from 'jsonwebtoken'

const { PORT, PORTAL_URL, PORTAL_API_KEY } = process.env
const API = `${PORTAL_URL}/api/external/v2`
const app = express()
app.use(express.json())

const call = async (res, path, options = {}) => {
  const response = await fetch(`${API}/${path}`, { ...options, headers: { 'X-API-Key': PORTAL_API_KEY } })
  res.status(response.status).json(await response.json())
}

app.get('/token', (req, res) => call(res, `customer-portal-token?${new URLSearchParams(req.query)}`))
app.get('/link', (req, res) => call(res, `manage-subscription-link?${new URLSearchParams(req.query)}`))
app.post('/mail', (req, res) =>
  call(res, `subscription-contracts-email-magic-link?email=${encodeURIComponent(req.query.email)}`, { method: 'POST' }))
app.get('/settings/:id', (req, res) => call(res, `customer-portal-settings/${req.params.id}`))

// What the token says, for a page that shows when it ends.
app.get('/decoded', (req, res) => res.json(jwt.decode(req.query.token, { complete: true })))

// The shop's own account page asks GraphQL on behalf of the customer.
app.get('/subscriptions', async (req, res) => {
  const response = await fetch(`${PORTAL_URL}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${req.query.token}` },
    body: JSON.stringify({ query: '{ viewer { customer { number } } mySubscriptions { nodes { id status product { name } } } }' }),
  })
  res.status(response.status).json(await response.json())
})
app.post('/cancel', async (req, res) => {
  const response = await fetch(`${PORTAL_URL}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${req.query.token}` },
    body: JSON.stringify({
      query: `mutation ($id: ID!, $reason: String) {
        subscriptionCancel(input: { subscription: $id, reason: $reason }) { subscription { cancelAtPeriodEnd } userErrors { code } }
      }`,
      variables: { id: req.query.subscription, reason: req.query.reason },
    }),
  })
  res.status(response.status).json(await response.json())
})

app.listen(PORT, '127.0.0.1', () => console.log('listening'))
