// Reads { jwks, issuer, audience, access: {name: token}, forged: {name: token}, launch: {name: token}, launchForged, launchSecret } and
// prints what each library makes of every token: the payload's claims, or false.
import crypto from 'node:crypto'
import { text } from 'node:stream/consumers'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import jwt from 'jsonwebtoken'

const given = JSON.parse(await text(process.stdin))
const options = { issuer: given.issuer, audience: given.audience }
const keys = createRemoteJWKSet(new URL(given.jwks))
const { keys: published } = await (await fetch(given.jwks)).json()

async function byJose(token) {
  const { payload } = await jwtVerify(token, keys, { ...options, algorithms: ['ES256', 'EdDSA'], requiredClaims: ['exp'] })
  return payload
}

function byJsonwebtoken(token) {
  const { kid } = jwt.decode(token, { complete: true }).header
  const jwk = published.find(key => key.kid === kid)
  return jwt.verify(token, crypto.createPublicKey({ key: jwk, format: 'jwk' }), { ...options, algorithms: ['ES256'] })
}

const ofLaunch = token => jwt.verify(token, given.launchSecret, { algorithms: ['HS256'], audience: given.audience })

async function all(tokens, verify) {
  const made = {}
  for (const [name, token] of Object.entries(tokens)) {
    made[name] = await Promise.resolve().then(() => verify(token)).then(payload => payload, () => false)
  }
  return made
}

console.log(JSON.stringify({
  jose: await all(given.access, byJose),
  jsonwebtoken: await all(given.access, byJsonwebtoken),
  forgedByJose: await all(given.forged, byJose),
  forgedByJsonwebtoken: await all(given.forged, byJsonwebtoken),
  launch: await all(given.launch, ofLaunch),
}))
