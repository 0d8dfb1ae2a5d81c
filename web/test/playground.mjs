// Drives the playground in a browser: node playground.mjs BROWSER URL URL-OF-A-SERVER-THAT-HIDES-ITS-SCHEMA-FROM-STRANGERS.
// Says what it has seen, line by line, and ends with an error at the first thing that is not as it should be.
import assert from 'node:assert/strict'

import { chromium } from 'playwright-core'

const [executablePath, open = '', hiding = ''] = process.argv.slice(2)
assert(executablePath && open && hiding, 'give a browser and two addresses')

const browser = await chromium.launch({
  executablePath,
  args: [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
})

/** @typedef {import('playwright-core').Page} Page */

/** A tab of the browser in the profile of another, or in one of its own, which takes down whatever must not happen. */
async function visit(/** @type {string} */ url, /** @type {Page | undefined} */ beside = undefined) {
  const context = beside?.context() ?? (await browser.newContext({ viewport: { width: 1500, height: 1400 } }))
  context.setDefaultTimeout(20_000)
  const page = await context.newPage()
  /** @type {string[]} */
  const wrong = []
  const workers = new Set()
  page.on('console', (message) => wrong.push(`console ${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => wrong.push(`error: ${error.message}`))
  page.on('requestfailed', (request) => {
    // Monaco ends a worker, loaded or not, when its settings change.
    const why = request.failure()?.errorText
    if (why !== 'net::ERR_ABORTED') wrong.push(`${why}: ${request.url()}`)
  })
  page.on('worker', (worker) => workers.add(/(\w+)\.worker/.exec(worker.url())?.[1]))
  context.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) wrong.push(`request to ${request.url()}`)
  })
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))
  })
  await page.goto(url)
  await page.locator('.graphiql-query-editor .view-line').first().waitFor()
  return { page, wrong, workers }
}

const tab = (/** @type {Page} */ page, /** @type {string} */ name) => page.getByRole('tab').getByRole('button', { name, exact: true })

/** Waits until the bar says who calls. */
const says = (/** @type {Page} */ page, /** @type {string} */ text) => page.getByRole('status').filter({ hasText: text }).waitFor()

/** The text that an editor shows, as a reader sees it. */
async function shown(/** @type {Page} */ page, /** @type {string} */ editor) {
  const lines = await page.locator(`${editor} .monaco-editor:visible .view-lines`).first().innerText()
  return lines.replaceAll('\u00a0', ' ').trim()
}

/** Waits until the variables of the tab in front are shown without a gap. */
async function variables(/** @type {Page} */ page) {
  for (let patience = 200; patience > 0; patience--) {
    try {
      const text = await shown(page, '.graphiql-editor-tool')
      if (!/run \w+ first/.test(text)) return JSON.parse(text)
    } catch {
      // The editor is being filled.
    }
    await page.waitForTimeout(50)
  }
  return assert.fail('the variables are not filled in')
}

/** Runs the tab with this name as it stands, and gives its answer once it is shown. */
async function run(/** @type {Page} */ page, /** @type {string} */ name) {
  await tab(page, name).click()
  await page.locator(`.graphiql-query-editor .view-lines:has-text("${name}")`).waitFor()
  const expected = await variables(page)
  const answering = page.waitForResponse((response) => response.request().postDataJSON()?.operationName === name)
  await page.getByRole('button', { name: /^Execute query/ }).click()
  const response = await answering
  assert.deepEqual(response.request().postDataJSON().variables, expected, `${name} sends the variables that it shows`)
  const answer = await response.json()
  assert.equal(answer.errors, undefined, `${name}: ${JSON.stringify(answer)}`)
  for (const [field, payload] of Object.entries(answer.data)) assert.deepEqual(payload?.userErrors ?? [], [], `${name}: ${field}`)
  await page.locator('.result-window .view-line', { hasText: Object.keys(answer.data)[0] ?? '' }).first().waitFor()
  return { data: answer.data, sent: await response.request().allHeaders() }
}

/** Asks for something as the page does, past its editor. */
async function ask(/** @type {Page} */ page, /** @type {string} */ query, /** @type {object} */ variables = {}) {
  const merchant = await page.getByLabel('Merchant').inputValue()
  const data = await page.evaluate(async ({ operation, merchant }) => {
    const headers = { 'Content-Type': 'application/json', 'Portico-Merchant': merchant }
    const response = await fetch('/graphql', { method: 'POST', headers, body: JSON.stringify(operation) })
    return (await response.json()).data
  }, { operation: { query, variables }, merchant })
  for (const payload of Object.values(data)) assert.deepEqual(payload.userErrors, [])
  return data
}

/** Runs the tab with this name until what it shows has the text, while something happens elsewhere, and stops it. */
async function watch(/** @type {Page} */ page, /** @type {string} */ name, /** @type {() => Promise<unknown>} */ happen, /** @type {string} */ text) {
  await tab(page, name).click()
  await page.locator(`.graphiql-query-editor .view-lines:has-text("${name}")`).waitFor()
  await variables(page)
  const opening = page.waitForResponse((response) => response.request().postDataJSON()?.operationName === name)
  await page.getByRole('button', { name: /^Execute query/ }).click()
  const stream = await opening
  assert.match(stream.headers()['content-type'] ?? '', /^text\/event-stream/)
  await happen()
  await page.locator('.result-window .view-line', { hasText: text }).first().waitFor()
  const ended = page.waitForEvent('requestfailed', (request) => request === stream.request())
  await page.getByRole('button', { name: /^Stop query/ }).click()
  await ended
  await page.getByRole('button', { name: /^Execute query/ }).waitFor()
  console.log(`${name} shows what happens elsewhere until it is stopped`)
}

/** What happens in one tab of the browser is seen in the other. */
async function live(/** @type {Page} */ page, /** @type {string} */ subscription) {
  const { page: beside, wrong } = await visit(open, page)
  await says(beside, 'OWNER')
  await beside.getByLabel('Merchant').selectOption({ label: 'Acorn test (sandbox)' })
  await watch(beside, 'WatchEvents', () => ask(page, `mutation($id: ID!) {
    subscriptionCancel(input: {subscription: $id, atPeriodEnd: true}) { userErrors { message } } }`, { id: subscription }), '"subscription.updated"')
  await watch(page, 'WatchDeliveries', () => ask(beside, `mutation($id: ID!) {
    subscriptionUncancel(input: {subscription: $id}) { userErrors { message } } }`, { id: subscription }), '"DELIVERED"')

  await beside.getByLabel('Credential').selectOption('key')
  await says(beside, 'Paste an API key')
  await beside.getByRole('button', { name: /^Execute query/ }).click()
  await beside.locator('.result-window .view-line', { hasText: 'UNAUTHENTICATED' }).first().waitFor()
  assert.deepEqual(wrong, [])
  await beside.route('**/graphql', (route) => route.abort())
  await beside.getByRole('button', { name: /^Execute query/ }).click()
  await beside.locator('.result-window .view-line', { hasText: 'The connection is lost' }).first().waitFor()
  await beside.close()
  console.log('what is wrong with a stream is shown')
}

async function mainJob() {
  const { page, wrong, workers } = await visit(open)
  await says(page, 'Nobody is signed in')

  await tab(page, 'Plan').click()
  await page.getByText('run Product first').first().waitFor()
  const names = await page.getByRole('tab').allInnerTexts()
  assert(names.length > 10, 'ready-made tabs')
  /** @type {Record<string, any>} */
  const answers = {}
  const watched = names.filter((name) => name.startsWith('Watch'))
  assert.deepEqual(watched, ['WatchEvents', 'WatchDeliveries'])
  for (const name of names.filter((name) => !watched.includes(name))) {
    answers[name] = (await run(page, name)).data
    console.log(`ran ${name}`)
  }
  assert.equal(answers.Subscription.subscriptionCreate.subscription.status, 'ACTIVE')
  assert.match(answers.Launch.launchTokenCreate.token, /^[\w-]+\.[\w-]+\.[\w-]+$/)
  assert.equal(answers.Access.access.allowed, true)
  assert.deepEqual(answers.Access.access.maxEmployees, { allowed: true, limit: 50, error: null })
  assert.deepEqual(answers.Claims.claimsSet.claims.claims.map((/** @type {{key: string}} */ claim) => claim.key).sort(), ['beta', 'plan', 'role', 'seats', 'status'])
  const test = answers.TestWebhook.webhookEndpointTest.result
  assert.deepEqual([test.statusCode, test.responseBody, test.error], [200, '{"received":true}', null])
  assert.equal(JSON.parse(test.requestBody).event, 'subscription.created')
  let deliveries = answers.Deliveries.webhookDeliveries.nodes
  for (let patience = 100; deliveries[0]?.status !== 'DELIVERED' && patience > 0; patience--) {
    await page.waitForTimeout(100)
    deliveries = (await run(page, 'Deliveries')).data.webhookDeliveries.nodes
  }
  assert.equal(deliveries[0]?.attempts[0].responseBody, '{"received":true}', JSON.stringify(deliveries))
  assert.equal(await page.getByLabel('Merchant').locator('option:checked').innerText(), 'Acorn test (sandbox)')
  console.log('the main job is done')
  await live(page, answers.Subscription.subscriptionCreate.subscription.id)

  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click()
  await page.getByText('subscriptions for merchants').first().waitFor()
  // It shows the fields that go with the operation in front: queries.
  await tab(page, 'Deliveries').click()
  await page.getByRole('button', { name: 'Show GraphiQL Explorer' }).click()
  await page.locator('.graphiql-explorer-root', { hasText: 'webhookDeliveries' }).waitFor()
  console.log('documentation and explorer show the schema')

  await page.getByRole('button', { name: 'New tab' }).click()
  await page.locator('.graphiql-query-editor .monaco-editor').click()
  await page.keyboard.press('Control+A')
  await page.keyboard.type('{ nothingOfTheKind }')
  await page.locator('.squiggly-error').first().waitFor()
  assert.deepEqual([...workers].sort(), ['editor', 'graphql', 'json'])
  console.log('documents are checked by the workers')

  await tab(page, 'Plan').click()
  const before = await variables(page)
  // GraphiQL keeps its tabs a moment after they change.
  await page.waitForFunction(() => sessionStorage.getItem('graphiql:tabState')?.includes('nothingOfTheKind'))
  await page.reload()
  await page.locator('.graphiql-query-editor .view-line').first().waitFor()
  assert.equal(await page.getByRole('tab').count(), names.length + 1, 'as many tabs as before')
  await tab(page, 'Plan').click()
  assert.deepEqual(await variables(page), before, 'tabs and ids survive reloading')
  assert.equal(await page.evaluate(() => localStorage.length), 0, 'nothing outlives the browser tab')
  assert.equal(page.url(), open)

  await tab(page, 'Access').click()
  await variables(page)
  await page.getByRole('button', { name: 'Hide GraphiQL Explorer' }).click()
  await page.setViewportSize({ width: 420, height: 900 })
  await page.getByRole('button', { name: /^Execute query/ }).click()
  await page.locator('.result-window .view-line', { hasText: '"ALLOWED"' }).first().waitFor()
  const place = await page.locator('.result-window').boundingBox()
  assert(place && place.width > 300 && place.height > 200, `a narrow screen shows the answer: ${JSON.stringify(place)}`)

  await page.context().clearCookies()
  await page.getByRole('button', { name: /^Execute query/ }).click()
  await says(page, 'Nobody is signed in')
  await page.locator('.result-window .view-line', { hasText: 'UNAUTHENTICATED' }).first().waitFor()
  console.log('a session that has ended is told')
  assert.deepEqual(wrong, [])
}

async function undocumented() {
  const { page, wrong } = await visit(hiding)
  const hint = page.getByText('shows its schema to callers with a credential')
  await hint.waitFor()
  await run(page, 'SignUp')
  await hint.waitFor({ state: 'detached' })
  await run(page, 'Sandbox')
  await page.locator('option:checked', { hasText: 'Acorn test (sandbox)' }).waitFor({ state: 'attached' })
  console.log('the schema is shown after signing in')

  const key = (await ask(page, 'mutation { apiKeyCreate(input: {name: "playground"}) { secret userErrors { message } } }')).apiKeyCreate.secret
  await page.getByLabel('Credential').selectOption('key')
  await says(page, 'Paste an API key')
  await page.getByLabel('API key', { exact: true }).fill(key)
  await says(page, 'API_KEY of Acorn test')
  const { sent } = await run(page, 'Product')
  assert.equal(sent.authorization, `Bearer ${key}`)
  assert.equal(sent.cookie, undefined)
  assert.equal(page.url(), hiding)
  assert.equal(await page.evaluate(() => localStorage.length), 0)
  console.log('a pasted API key is sent as a header only')

  await page.getByRole('button', { name: 'Start over' }).click()
  await says(page, 'OWNER')
  assert(!(await page.evaluate(() => JSON.stringify(sessionStorage))).includes(key), 'starting over forgets the key')
  assert.deepEqual(wrong, [])

  await page.evaluate(() => sessionStorage.setItem('portico:credential', '{"use":"session","key":"","shop":"of-somebody-else"}'))
  await page.reload()
  await says(page, 'OWNER')
  console.log('a merchant that the member does not belong to is let go of')
}

try {
  await mainJob()
  await undocumented()
} finally {
  await browser.close()
}
