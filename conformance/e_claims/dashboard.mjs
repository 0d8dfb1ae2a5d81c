// A dashboard's page, which sets and reads claims with the session cookie: dashboard.mjs <shop> <email> <product> <claims>.
// Its environment: PORTAL_URL, MEMBER_EMAIL, MEMBER_PASSWORD.
const { PORTAL_URL, MEMBER_EMAIL, MEMBER_PASSWORD } = process.env
const [shop, email, product, claims] = process.argv.slice(2)

const signedIn = await fetch(`${PORTAL_URL}/graphql`, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({
    query: 'mutation ($email: String!, $password: String!) { memberSignIn(input: { email: $email, password: $password }) { userErrors { message } } }',
    variables: { email: MEMBER_EMAIL, password: MEMBER_PASSWORD },
  }),
})
const headers = { Cookie: signedIn.headers.getSetCookie()[0].split(';')[0], 'Portico-Merchant': shop, 'Content-Type': 'application/json' }
const url = `${PORTAL_URL}/api/platform/claims`

const set = await fetch(url, {
  method: 'POST',
  headers,
  body: JSON.stringify({ email, product_identifier: product, claims: JSON.parse(claims) }),
})
const read = await fetch(`${url}?${new URLSearchParams({ email, product_identifier: product })}`, { headers })
console.log(JSON.stringify({ set: set.status, read: read.status, body: await read.json() }))
