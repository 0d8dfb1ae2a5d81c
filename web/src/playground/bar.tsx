import type { Credential, Viewer } from './api'

interface Props {
  credential: Credential
  onCredential: (credential: Credential) => void
  viewer: Viewer | null
  /** Why it is not known who calls. */
  problem: string
  /** Whether the server shows its schema; null before it is known. */
  documented: boolean | null
  onStartOver: () => void
}

/** Who calls, for which merchant. */
export function Bar({ credential, onCredential, viewer, problem, documented, onStartOver }: Props) {
  const signedIn = credential.use === 'session' && viewer?.kind === 'MEMBER'
  return (
    <header className="bar">
      <strong>Portico</strong>
      <label>
        Credential{' '}
        <select value={credential.use} onChange={(e) => onCredential({ ...credential, use: e.target.value === 'key' ? 'key' : 'session' })}>
          <option value="session">signed-in session</option>
          <option value="key">API key</option>
        </select>
      </label>
      {credential.use === 'key' && (
        <form onSubmit={(e) => e.preventDefault()}>
          <input
            type="password"
            autoComplete="off"
            spellCheck={false}
            placeholder="ptc_sk_…"
            aria-label="API key"
            title="Kept until this browser tab is closed, and sent in the header Authorization only"
            value={credential.key}
            onChange={(e) => onCredential({ ...credential, key: e.target.value.trim() })}
          />
        </form>
      )}
      {signedIn && viewer.merchants.length > 0 && (
        <label>
          Merchant{' '}
          <select value={viewer.merchant?.shop ?? ''} onChange={(e) => onCredential({ ...credential, shop: e.target.value })}>
            {viewer.merchants.map((merchant) => (
              <option key={merchant.shop} value={merchant.shop}>
                {merchant.name}
                {merchant.sandbox ? ' (sandbox)' : ''}
              </option>
            ))}
          </select>
        </label>
      )}
      <span role="status">{problem || describe(credential, viewer)}</span>
      {documented === false && <span className="hint">{undocumented(viewer)}</span>}
      <button type="button" onClick={onStartOver} title="Puts the ready-made tabs back and forgets what was typed here, an API key included">
        Start over
      </button>
    </header>
  )
}

function describe(credential: Credential, viewer: Viewer | null): string {
  if (credential.use === 'key' && !credential.key) return 'Paste an API key'
  if (!viewer) return ''
  switch (viewer.kind) {
    case 'ANONYMOUS':
      return 'Nobody is signed in: run SignUp or SignIn'
    case 'MEMBER':
      return `${viewer.member?.email}${viewer.role ? `, ${viewer.role}` : ''}`
    default:
      return [viewer.kind, viewer.merchant && `of ${viewer.merchant.name}`].filter(Boolean).join(' ')
  }
}

function undocumented(viewer: Viewer | null): string {
  return viewer?.kind === 'ANONYMOUS'
    ? 'This server shows its schema to callers with a credential: sign in or paste an API key for documentation and completion.'
    : 'This server shows its schema to nobody (PORTICO_INTROSPECTION): operations run, and schema.graphqls documents them.'
}
