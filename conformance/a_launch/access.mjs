// Server code that asks whether a user has an active subscription: access.mjs <email> <product>. Its environment: PORTAL_URL, PORTAL_API_KEY.
const { PORTAL_URL, PORTAL_API_KEY } = process.env
const [email, product] = process.argv.slice(2)

const response = await fetch(`${PORTAL_URL}/graphql`, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json', 'X-API-Key': PORTAL_API_KEY },
  body: JSON.stringify({
    query: `query ($email: String!, $product: String!) {
      access(customer: { email: $email }, product: { identifier: $product }) {
        allowed reason tier features upgradeUrl
        reporting: feature(name: "advancedReporting") missing: feature(name: "exports")
        employees: limit(name: "maxEmployees", current: 2) { allowed limit current error upgradeUrl }
        offices: limit(name: "maxOffices", current: 0) { allowed limit current error upgradeUrl }
      }
    }`,
    variables: { email, product },
  }),
})
console.log(JSON.stringify({ status: response.status, ...(await response.json()) }))
