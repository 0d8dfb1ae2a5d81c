// Asks who calls, then follows the events behind a cursor until the stream ends, over the protocol that is named. Prints a line of JSON
// for each answer, and at the end what has ended it.
import { createClient as createSSE } from 'graphql-sse';
import { createClient as createWS } from 'graphql-ws';
import WebSocket from 'ws';

const [protocol, url, authorization, after] = process.argv.slice(2);
const client =
  protocol === 'sse'
    ? createSSE({ url, headers: { authorization }, retryAttempts: 0 })
    : createWS({ url: url.replace(/^http/, 'ws'), webSocketImpl: WebSocket, connectionParams: { authorization }, retryAttempts: 0, keepAlive: 1000 });

function run(payload) {
  return new Promise((resolve) => {
    client.subscribe(payload, {
      next: (answer) => console.log(JSON.stringify(answer)),
      error: (error) => resolve(Array.isArray(error) ? { errors: error } : { closed: error.code ?? String(error) }),
      complete: () => resolve({ complete: true }),
    });
  });
}

console.log(JSON.stringify(await run({ query: '{ viewer { kind } }' })));
console.log(
  JSON.stringify(
    await run({
      query: 'subscription($after: String) { eventPublished(after: $after) { cursor node { id body } } }',
      variables: { after },
    }),
  ),
);
await client.dispose();
