import { useState } from 'react'
import { useMutation, useQuery, useSubscription } from 'urql'

import {
  CancelDocument, ChangesDocument, MySubscriptionsDocument, UncancelDocument, type SubscriptionFragment, type UserErrorCode,
} from './gql/graphql'

/** The customer's subscriptions as they are now. */
export function Subscriptions() {
  const [{ data, error }] = useQuery({ query: MySubscriptionsDocument })
  const [{ error: disconnected }] = useSubscription({ query: ChangesDocument })
  if (error) return <p role="alert">{error.message}</p>
  if (!data) return <p>Loading …</p>
  const { nodes } = data.mySubscriptions
  return (
    <>
      {disconnected && <p role="alert">Changes are not followed: {disconnected.message}</p>}
      {nodes.length === 0 && <p>You have no subscription.</p>}
      <ul>
        {nodes.map((subscription) => (
          <li key={subscription.id}>
            <Row subscription={subscription} />
          </li>
        ))}
      </ul>
    </>
  )
}

interface Refusal {
  code: UserErrorCode
  message: string
}

function Row({ subscription: s }: { subscription: SubscriptionFragment }) {
  const [reason, setReason] = useState('')
  const [refusals, setRefusals] = useState<Refusal[]>([])
  const [canceling, cancel] = useMutation(CancelDocument)
  const [uncanceling, uncancel] = useMutation(UncancelDocument)
  const busy = canceling.fetching || uncanceling.fetching
  const failure = canceling.error ?? uncanceling.error

  async function onCancel(event: { preventDefault: () => void }) {
    event.preventDefault()
    const { data } = await cancel({ subscription: s.id, reason: reason.trim() || null })
    setRefusals(data?.subscriptionCancel.userErrors ?? [])
    if (data?.subscriptionCancel.subscription) setReason('')
  }
  async function onUncancel() {
    const { data } = await uncancel({ subscription: s.id })
    setRefusals(data?.subscriptionUncancel.userErrors ?? [])
  }

  return (
    <article aria-label={s.product.name}>
      <h2>{s.product.name}</h2>
      <p>
        {s.plan.name} · <strong>{s.status}</strong> · {nextDate(s)}
      </p>
      {s.cancelAtPeriodEnd && s.cancelReason && <p>You said: {s.cancelReason}</p>}
      {s.cancelAtPeriodEnd ? (
        <button disabled={busy} onClick={() => void onUncancel()}>
          Keep it
        </button>
      ) : (
        goesOn.has(s.status) && (
          <form onSubmit={(event) => void onCancel(event)}>
            <input aria-label="Reason" placeholder="Why?" maxLength={500} value={reason} onChange={(event) => setReason(event.target.value)} />
            <button disabled={busy}>Cancel</button>
          </form>
        )
      )}
      {refusals.map((refusal) => (
        <p role="alert" key={refusal.code}>
          {refusal.code === 'NOT_ALLOWED_BY_SETTINGS' ? `The shop does not offer this here: ${refusal.message}` : refusal.message}
        </p>
      ))}
      {failure && <p role="alert">{failure.message}</p>}
    </article>
  )
}

const goesOn = new Set<SubscriptionFragment['status']>(['TRIALING', 'ACTIVE', 'PAST_DUE'])

/** What comes next, and when. */
function nextDate(s: SubscriptionFragment): string {
  const day = (time: string | null | undefined) => (time ? new Date(time).toLocaleDateString('en', { dateStyle: 'long', timeZone: 'UTC' }) : '')
  if (s.cancelAtPeriodEnd) return `ends on ${day(s.currentPeriodEnd)}`
  if (s.status === 'TRIALING') return `on trial until ${day(s.trialEnd)}`
  if (s.status === 'ACTIVE') return `renews on ${day(s.currentPeriodEnd)}`
  return s.accessUntil ? `access until ${day(s.accessUntil)}` : 'no access'
}
