import { StrictMode, useEffect, useMemo, useRef, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { Provider } from 'urql'

import { MySubscriptionsDocument } from './gql/graphql'
import { connect } from './portico'
import { Subscriptions } from './subscriptions'

/** A token in the address is taken out of it, so that it is neither kept nor passed on with the link. */
function given(): string {
  const here = new URL(location.href)
  const token = here.searchParams.get('token')
  if (token === null) return sessionStorage.getItem('token') ?? ''
  here.searchParams.delete('token')
  history.replaceState(null, '', here)
  sessionStorage.setItem('token', token)
  return token
}

function Page() {
  const [token, setToken] = useState(given)
  function signIn(next: string) {
    sessionStorage.setItem('token', next)
    setToken(next)
  }
  return (
    <main>
      <h1>My subscriptions</h1>
      {token ? <SignedIn key={token} token={token} /> : <SignIn onToken={signIn} />}
      {token && <button onClick={() => signIn('')}>Sign out</button>}
    </main>
  )
}

function SignIn({ onToken }: { onToken: (token: string) => void }) {
  const [token, setToken] = useState('')
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        onToken(token.trim())
      }}
    >
      <input aria-label="Portal token" type="password" autoComplete="off" value={token} onChange={(event) => setToken(event.target.value)} />
      <button disabled={!token.trim()}>Sign in</button>
    </form>
  )
}

function SignedIn({ token }: { token: string }) {
  const refresh = useRef(() => {})
  const client = useMemo(() => connect(token, () => refresh.current()), [token])
  useEffect(() => {
    refresh.current = () => void client.query(MySubscriptionsDocument, {}, { requestPolicy: 'network-only' }).toPromise()
  }, [client])
  return (
    <Provider value={client}>
      <Subscriptions />
    </Provider>
  )
}

const root = document.getElementById('root')
if (root) createRoot(root).render(<StrictMode><Page /></StrictMode>)
