import { Kind, parse } from 'graphql'

/** What goes with each request: the session's cookie, or an API key. */
export interface Credential {
  use: 'session' | 'key'
  key: string
  /** The handle of the merchant that a member acts for; empty for the first. */
  shop: string
}

export interface Merchant {
  name: string
  shop: string
  sandbox: boolean
}

export interface Viewer {
  kind: string
  role: string | null
  member: { email: string } | null
  merchant: Merchant | null
  merchants: Merchant[]
}

export interface Answer {
  data?: Record<string, unknown> | null
  errors?: { message: string; extensions?: { code?: string } }[]
}

export interface Operation {
  query: string
  variables?: unknown
  operationName?: string | null | undefined
}

export async function ask(credential: Credential, operation: Operation, headers: Record<string, string> = {}): Promise<Answer> {
  const sent = new Headers({ 'Content-Type': 'application/json', Accept: 'application/json' })
  if (credential.use === 'key' && credential.key) sent.set('Authorization', `Bearer ${credential.key}`)
  if (credential.use === 'session' && credential.shop) sent.set('Portico-Merchant', credential.shop)
  for (const [name, value] of Object.entries(headers)) sent.set(name, value)
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: sent,
    body: JSON.stringify(operation),
    credentials: credential.use === 'key' ? 'omit' : 'same-origin',
  })
  const text = await response.text()
  try {
    return JSON.parse(text) as Answer
  } catch {
    // A proxy in between answers in its own way.
    throw new Error(`The server answered ${response.status}: ${text.slice(0, 500)}`)
  }
}

/**
 * The operation with the name of one that is in its document: for a moment after another tab has come to the front, GraphiQL gives that of
 * the tab before.
 */
export function named(operation: Operation): Operation {
  try {
    const names = parse(operation.query).definitions.flatMap((part) => (part.kind === Kind.OPERATION_DEFINITION ? [part.name?.value] : []))
    return names.length === 1 ? { ...operation, operationName: names[0] } : operation
  } catch {
    return operation // for the server to say what is wrong
  }
}

const viewerQuery = `query Viewer {
  viewer { kind role member { email } merchant { name shop sandbox } merchants { name shop sandbox } }
}`

/** The server takes the credential, or the merchant that goes with it, for none. */
export class Refused extends Error {}

export async function askViewer(credential: Credential): Promise<Viewer> {
  const answer = await ask(credential, { query: viewerQuery })
  if (answer.data) return answer.data.viewer as Viewer
  const [error] = answer.errors ?? []
  const message = error?.message ?? 'The server does not say who you are.'
  const refused = ['UNAUTHENTICATED', 'FORBIDDEN', 'NOT_FOUND'].includes(error?.extensions?.code ?? '')
  throw refused ? new Refused(message) : new Error(message)
}
