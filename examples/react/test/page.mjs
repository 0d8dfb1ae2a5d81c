// Drives the page in a browser: node page.mjs BROWSER PAGE GRAPHQL API-KEY EMAIL. The customer has one subscription, on trial.
// Says what it has seen, line by line, and ends with an error at the first thing that is not as it should be.
import assert from 'node:assert/strict'

import { chromium } from 'playwright-core'

const [executablePath, address = '', graphql = '', key = '', email = ''] = process.argv.slice(2)

/** What the shop does meanwhile. */
async function shop(query, variables) {
  const headers = { 'Content-Type': 'application/json', 'X-API-Key': key }
  const response = await fetch(graphql, { method: 'POST', headers, body: JSON.stringify({ query, variables }) })
  const { data, errors } = await response.json()
  assert.equal(errors, undefined, JSON.stringify(errors))
  const [payload] = Object.values(data)
  assert.deepEqual(payload.userErrors ?? [], [])
  return payload
}
const settings = (change) =>
  shop('mutation ($settings: PortalSettingsInput!) { portalSettingsUpdate(input: { settings: $settings }) { userErrors { message } } }', { settings: change })

const { token } = await shop(
  'mutation ($email: String!) { portalTokenCreate(input: { customer: { email: $email } }) { token userErrors { message } } }', { email },
)
const browser = await chromium.launch({
  executablePath,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
})
try {
  const page = await browser.newPage()
  page.setDefaultTimeout(20_000)
  const wrong = []
  page.on('console', (message) => wrong.push(`console ${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => wrong.push(`error: ${error.message}`))
  page.on('request', (request) => {
    if (![new URL(address).origin, new URL(graphql).origin, 'null'].includes(new URL(request.url()).origin)) wrong.push(`request to ${request.url()}`)
  })

  await page.goto(`${address}/?token=${token}`)
  const row = page.getByRole('article')
  const shows = (text) => row.filter({ hasText: text }).waitFor()
  await shows('TRIALING')
  assert.match(await row.innerText(), /Rosterly\s+Starter · TRIALING · on trial until \w+ \d+, \d{4}/)
  assert(!page.url().includes('token'), page.url())
  console.log('a portal token in the address signs in, and does not stay in it')

  const cancel = page.getByRole('button', { name: 'Cancel' })
  await settings({ allowCancellation: false })
  await cancel.click()
  await shows('The shop does not offer this here')
  await settings({ allowCancellation: true, requireCancellationReason: true })
  await cancel.click()
  await row.getByRole('alert').filter({ hasNotText: 'The shop does not offer this here' }).waitFor()
  console.log('refusals are shown')

  await page.getByLabel('Reason').fill('We have closed')
  await cancel.click()
  await shows('You said: We have closed')
  await shows('ends on')
  await page.getByRole('button', { name: 'Keep it' }).click()
  await shows('on trial until')
  assert.equal(await row.getByRole('alert').count(), 0)
  console.log('canceled, and kept after all')

  const { nodes } = await shop('query ($email: String!) { subscriptions(customer: { email: $email }) { nodes { id } } }', { email })
  await shop(
    `mutation ($id: ID!) { subscriptionCancel(input: { subscription: $id, reason: "By the shop" }) { userErrors { message } } }`, { id: nodes[0].id },
  )
  await shows('You said: By the shop')
  console.log('changes are shown as they happen')

  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByLabel('Portal token').fill(token)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await shows('You said: By the shop')
  console.log('a pasted token signs in')
  assert.deepEqual(wrong, [])
} finally {
  await browser.close()
}
