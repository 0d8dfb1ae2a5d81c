const { PORTICO_URL, PORTICO_CLIENT_ID, PORTICO_CLIENT_SECRET, PRODUCT_IDENTIFIER } = process.env

const query = `query ($customer: CustomerRef!, $product: ProductRef!) {
  access(customer: $customer, product: $product) { allowed upgradeUrl features }
}`

/** What a user's subscription allows at this moment. While Portico cannot be asked, that is what the launch token said. */
async function ask(user) {
  try {
    const response = await fetch(`${PORTICO_URL}/graphql`, {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        Authorization: `Basic ${Buffer.from(`${PORTICO_CLIENT_ID}:${PORTICO_CLIENT_SECRET}`).toString('base64')}`,
      },
      body: JSON.stringify({ query, variables: { customer: { number: user.userId }, product: { identifier: PRODUCT_IDENTIFIER } } }),
      signal: AbortSignal.timeout(2000),
    })
    const { data, errors } = await response.json()
    if (errors) throw new Error(errors[0].message)
    return data.access
  } catch (error) {
    console.error(`Portico was not asked: ${error.message}`)
    return { allowed: true, upgradeUrl: null, features: user.subscription.features }
  }
}

/** A boolean feature as `allowed`, a number as `limit`. What the plan does not have is false and 0. */
export async function allowance(user, feature) {
  const { allowed, upgradeUrl, features } = await ask(user)
  const value = allowed ? features[feature] : undefined
  return { allowed: value === true, limit: typeof value === 'number' ? value : 0, upgradeUrl }
}
