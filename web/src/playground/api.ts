import { getOperationAST, Kind, OperationTypeNode, parse } from 'graphql'
import { createClient, NetworkError } from 'graphql-sse'

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

/** How each request is sent: from our own pages to our own server, with one credential. What was typed goes before it. */
function sent(credential: Credential, typed: Record<string, string>, headers = new Headers()) {
  if (credential.use === 'key' && credential.key) headers.set('Authorization', `Bearer ${credential.key}`)
  if (credential.use === 'session' && credential.shop) headers.set('Portico-Merchant', credential.shop)
  for (const [name, value] of Object.entries(typed)) headers.set(name, value)
  const credentials: RequestCredentials = credential.use === 'key' ? 'omit' : 'same-origin'
  return { headers: Object.fromEntries(headers), credentials }
}

export async function ask(credential: Credential, operation: Operation, headers: Record<string, string> = {}): Promise<Answer> {
  const how = sent(credential, headers, new Headers({ 'Content-Type': 'application/json', Accept: 'application/json' }))
  return read(await fetch('/graphql', { method: 'POST', body: JSON.stringify(operation), ...how }))
}

async function read(response: Response): Promise<Answer> {
  const text = await response.text()
  try {
    return JSON.parse(text) as Answer
  } catch {
    // A proxy in between answers in its own way.
    throw new Error(`The server answered ${response.status}: ${text.slice(0, 500)}`)
  }
}

/**
 * The answers of an operation on Live, as they come over a connection of its own, until the server ends it or `return` is called. A lost
 * connection is an error and not opened again: what happened meanwhile would be missing without a word.
 */
export function follow(credential: Credential, operation: Operation, headers: Record<string, string> = {}): AsyncIterableIterator<Answer> {
  const { query, variables, operationName } = operation
  const answers = createClient({ url: '/graphql', retryAttempts: 0, ...sent(credential, headers) }).iterate<Record<string, unknown>>({
    query,
    variables: (variables ?? {}) as Record<string, unknown>,
    ...(operationName ? { operationName } : {}),
  })
  const following: AsyncIterableIterator<Answer> = {
    [Symbol.asyncIterator]: () => following,
    // A generator would take its end up at the next answer only.
    return: () => answers.return?.() as Promise<IteratorResult<Answer>>,
    async next() {
      try {
        return (await answers.next()) as IteratorResult<Answer>
      } catch (reason) {
        if (!(reason instanceof NetworkError)) throw reason
        if (!(reason.response instanceof Response)) throw new Error('The connection is lost. Run it again to go on from now.')
        return { done: false, value: await read(reason.response) } // which says what is wrong, and is the last
      }
    },
  }
  return following
}

/** Whether an operation is on Live. */
export function isLive(operation: Operation): boolean {
  try {
    return getOperationAST(parse(operation.query), operation.operationName)?.operation === OperationTypeNode.SUBSCRIPTION
  } catch {
    return false // for the server to say what is wrong
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
