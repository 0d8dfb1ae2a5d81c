// An app that verifies access tokens offline: verify.mjs <token>. Its environment: JWKS_URL, ISSUER, AUDIENCE.
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'

const { JWKS_URL, ISSUER, AUDIENCE } = process.env
const keys = createRemoteJWKSet(new URL(JWKS_URL))
const [token] = process.argv.slice(2)
try {
  const { payload } = await jwtVerify(token, keys, { issuer: ISSUER, audience: AUDIENCE, algorithms: ['ES256', 'EdDSA'], requiredClaims: ['exp'] })
  const { plan = 'free' } = payload.claims
  console.log(JSON.stringify({ header: decodeProtectedHeader(token), payload, plan }))
} catch (error) {
  console.log(JSON.stringify({ refused: error.code }))
}
