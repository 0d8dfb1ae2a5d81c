import jwt from 'jsonwebtoken'

const { PORTAL_JWT_SECRET, PRODUCT_IDENTIFIER } = process.env

/** The tokens that were used, with the second after which they are refused anyway: a link that is seen by others opens nothing. */
const used = new Map()

/** The user whom a launch token names. Throws for a token that is not ours, is for another product, has expired or was used before. */
export function verifyLaunch(token) {
  const user = jwt.verify(token, PORTAL_JWT_SECRET, { algorithms: ['HS256'], audience: PRODUCT_IDENTIFIER })
  for (const [jti, expiry] of used) if (expiry < Date.now() / 1000) used.delete(jti)
  if (used.has(user.jti)) throw new Error('the token was used before')
  used.set(user.jti, user.exp)
  return user
}
