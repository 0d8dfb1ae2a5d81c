// The ready-made tabs: documents, and variables with gaps such as {{planCreate.plan.id}}, which the answers of earlier tabs fill.

export interface Step {
  /** The name of its operation, which is the tab's title. */
  name: string
  document: string
  variables: string
}

const files = import.meta.glob<string>('./steps/*', { query: '?raw', import: 'default', eager: true })

export const steps: Step[] = Object.keys(files)
  .filter((path) => path.endsWith('.graphql'))
  .sort()
  .map((path) => {
    const document = files[path] ?? ''
    const name = /^(?:query|mutation|subscription) (\w+)/m.exec(document)?.[1] ?? ''
    return { name, document, variables: files[path.replace('.graphql', '.json')] ?? '' }
  })

const gap = /\{\{([\w.]+)\}\}/g

/** What later tabs use of an answer, by its path in the answer's data. Nothing else of it is remembered: it may hold secrets. */
const wanted = new Set(steps.flatMap((step) => [...step.variables.matchAll(gap)].map((found) => found[1] ?? '')).filter((name) => name.includes('.')))

export type Known = Record<string, string>

/** What is known before anything has been answered. */
export function fresh(): Known {
  const letters = (count: number) => Array.from(crypto.getRandomValues(new Uint8Array(count)), (byte) => (byte % 36).toString(36)).join('')
  // Only `portico dev` sends webhooks to its own machine, and it has an address that takes them.
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(location.hostname)
  return {
    email: `owner-${letters(6)}@acorn.example`,
    password: letters(20),
    receiver: local ? `${location.origin}/dev/webhook` : 'https://example.com/webhooks',
  }
}

export function learn(known: Known, data: unknown): Known {
  const learned: Known = {}
  for (const path of wanted) {
    const value = path.split('.').reduce((here, name) => (here as Record<string, unknown> | null | undefined)?.[name], data)
    if (typeof value === 'string') learned[path] = value
  }
  return Object.keys(learned).length > 0 ? { ...known, ...learned } : known
}

/** The variables of a tab. A gap that nothing fills yet names the tab to run first. */
export function fill(step: Step, known: Known): string {
  return step.variables.replace(gap, (_, name: string) => {
    const field = name.split('.')[0] ?? ''
    const earlier = steps.find((other) => other.document.includes(`${field}(`))
    return JSON.stringify(known[name] ?? `run ${earlier?.name} first`).slice(1, -1)
  })
}
