import { cacheExchange } from '@urql/exchange-graphcache'
import { createClient as createLive } from 'graphql-sse'
import { Client, fetchExchange, subscriptionExchange } from 'urql'

const url = `${import.meta.env.VITE_PORTICO_URL}/graphql`

/**
 * A client that calls as the customer of a portal token. `onConnected` is called whenever changes begin to be followed: what happened
 * before, nobody has told.
 */
export function connect(token: string, onConnected: () => void): Client {
  const headers = { Authorization: `Bearer ${token}` }
  const live = createLive({
    url,
    headers,
    retryAttempts: Infinity,
    on: { connected: () => onConnected() },
  })
  return new Client({
    url,
    preferGetMethod: false,
    fetchOptions: { headers, credentials: 'omit' },
    exchanges: [
      // Every answer, of a query, a mutation or the stream, updates what is shown of the objects in it.
      cacheExchange({ keys: { CustomerSubscriptionConnection: () => null } }),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query = '', variables }) => ({
          subscribe: (sink) => ({
            unsubscribe: live.subscribe<Record<string, unknown>, Record<string, unknown>>(
              { query, variables: variables as Record<string, unknown> },
              {
                next: (result) => sink.next(result),
                error: (error) => sink.error(error),
                complete: () => sink.complete(),
              },
            ),
          }),
        }),
      }),
    ],
  })
}
