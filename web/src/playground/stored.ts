import { useEffect, useState } from 'react'

/**
 * A state that survives reloading, and ends with the browser's tab: it may hold an API key. Nothing of the playground goes to
 * localStorage.
 */
export function useStored<T>(name: string, initial: () => T) {
  const [value, setValue] = useState<T>(() => {
    const text = sessionStorage.getItem(name)
    return text === null ? initial() : (JSON.parse(text) as T)
  })
  useEffect(() => sessionStorage.setItem(name, JSON.stringify(value)), [name, value])
  return [value, setValue] as const
}

/**
 * Has GraphiQL come back with the tabs that it left. It stores what is in its editors apart from the tabs, and either a moment after it
 * changes: whoever reloads in between would get one tab more.
 */
export function settle() {
  const stored = sessionStorage.getItem('graphiql:tabState')
  if (stored === null) return
  const { tabs, activeTabIndex } = JSON.parse(stored) as { tabs: Record<string, string | null>[]; activeTabIndex: number }
  for (const editor of ['query', 'variables']) {
    const text = tabs[activeTabIndex]?.[editor]
    if (text) sessionStorage.setItem(`graphiql:${editor}`, text)
    else sessionStorage.removeItem(`graphiql:${editor}`)
  }
}
