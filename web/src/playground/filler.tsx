import { useGraphiQL } from '@graphiql/react'
import { useEffect } from 'react'

import { fill, steps, type Known } from './steps'
import { useStored } from './stored'

/**
 * Keeps the variables of the ready-made tab in front filled with what is known, for as long as nobody has edited them. GraphiQL does not
 * show the variables that a first tab is given, so all of them are set here.
 */
export function Filler({ known }: { known: Known }) {
  const tab = useGraphiQL((state) => state.tabs[state.activeTabIndex])
  const editor = useGraphiQL((state) => state.variableEditor)
  const [filled, setFilled] = useStored<Record<string, string>>('portico:filled', () => ({}))
  const id = tab?.id
  const step = steps.find((each) => each.name === tab?.operationName)
  useEffect(() => {
    if (!editor || !id || !step) return
    const shown = editor.getValue()
    const text = fill(step, known)
    if (shown === text || (shown.trim() !== '' && shown !== filled[id])) return
    editor.setValue(text)
    setFilled({ ...filled, [id]: text })
  }, [editor, id, step, known, filled, setFilled])
  return null
}
