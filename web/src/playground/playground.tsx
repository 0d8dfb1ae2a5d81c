import { DocExplorerStore, DOC_EXPLORER_PLUGIN } from '@graphiql/plugin-doc-explorer'
import { explorerPlugin } from '@graphiql/plugin-explorer'
import { HISTORY_PLUGIN, HistoryStore } from '@graphiql/plugin-history'
import { GraphiQLProvider } from '@graphiql/react'
import type { Fetcher, FetcherResult } from '@graphiql/toolkit'
import { GraphiQL, GraphiQLInterface } from 'graphiql'
import { useCallback, useEffect, useRef, useState } from 'react'

import { ask, askViewer, follow, isLive, named, Refused, type Answer, type Credential, type Viewer } from './api'
import { Bar } from './bar'
import { Filler } from './filler'
import { fresh, learn, steps, type Known } from './steps'
import { useStored } from './stored'

const plugins = [DOC_EXPLORER_PLUGIN, HISTORY_PLUGIN, explorerPlugin({ showAttribution: false })]
/** What variables of these types may be: without it, GraphiQL takes none of them for an object. */
const scalars = { DateTime: { type: 'string' }, JSON: { type: 'object' }, Long: { type: 'integer' } }
const tabs = steps.map((step) => ({ query: step.document }))

/** Mutations after which the caller is another, or has other merchants. */
const turning = ['merchantSignUp', 'memberSignIn', 'memberSignOut', 'merchantCreate', 'sandboxCreate', 'merchantUpdate', 'merchantClose', 'invitationAccept']

export function Playground() {
  const [credential, setCredential] = useStored<Credential>('portico:credential', () => ({ use: 'session', key: '', shop: '' }))
  const [known, setKnown] = useStored<Known>('portico:known', fresh)
  const [turns, setTurns] = useState(0)
  const { use, key, shop } = credential
  const { viewer, problem } = useViewer(credential, turns, () => setCredential({ ...credential, shop: '' }))
  const shown = useRef(viewer)
  shown.current = viewer
  const [documented, setDocumented] = useState<boolean | null>(null)

  // GraphiQL asks for the schema whenever its fetcher is another: when the caller may be.
  const fetcher = useCallback<Fetcher>(
    async (asked, options) => {
      const operation = named(asked)
      const headers = options?.headers as Record<string, string> | undefined
      if (isLive(operation)) return follow({ use, key, shop }, operation, headers) as AsyncIterable<FetcherResult>
      const answer = await ask({ use, key, shop }, operation, headers)
      const data = answer.data ?? {}
      if (operation.operationName === 'IntrospectionQuery') setDocumented('__schema' in data)
      setKnown((before) => learn(before, data))
      const opened = data.sandboxCreate as { merchant: { shop: string } | null } | undefined
      if (opened?.merchant) {
        const { shop } = opened.merchant
        setCredential((before) => ({ ...before, shop }))
      }
      // The bar must not name who is signed in no more: a session ends, or is ended elsewhere.
      const ended = shown.current !== null && shown.current.kind !== 'ANONYMOUS' && refused(answer)
      if (ended || turning.some((field) => field in data)) setTurns((before) => before + 1)
      return answer
    },
    [use, key, shop, turns, setCredential, setKnown],
  )

  return (
    <>
      <Bar
        credential={credential}
        onCredential={setCredential}
        viewer={viewer}
        problem={problem}
        documented={documented}
        onStartOver={() => {
          sessionStorage.clear()
          location.reload()
        }}
      />
      <GraphiQLProvider
        fetcher={fetcher}
        customScalarSchemas={scalars}
        schemaDescription
        inputValueDeprecation
        storage={sessionStorage}
        defaultTabs={tabs}
        plugins={plugins}
        referencePlugin={DOC_EXPLORER_PLUGIN}
      >
        <HistoryStore>
          <DocExplorerStore>
            <GraphiQLInterface defaultEditorToolsVisibility="variables" showPersistHeadersSettings={false}>
              <GraphiQL.Logo>
                <span />
              </GraphiQL.Logo>
            </GraphiQLInterface>
            <Filler known={known} />
          </DocExplorerStore>
        </HistoryStore>
      </GraphiQLProvider>
    </>
  )
}

/** Whether the server took the caller for nobody who may do that. */
function refused({ errors = [] }: Answer): boolean {
  return errors.some((error) => error.extensions?.code === 'UNAUTHENTICATED')
}

/** Whom the credential stands for, asked again whenever that may have changed. */
function useViewer({ use, key, shop }: Credential, turns: number, leaveShop: () => void) {
  const [viewer, setViewer] = useState<Viewer | null>(null)
  const [problem, setProblem] = useState('')
  const leave = useRef(leaveShop)
  leave.current = leaveShop
  useEffect(() => {
    let stale = false
    askViewer({ use, key, shop }).then(
      (told) => {
        if (stale) return
        setViewer(told)
        setProblem('')
      },
      (reason: unknown) => {
        if (stale) return
        setViewer(null)
        // Another member may have signed in, who does not belong to the merchant that was chosen. When the server is not there, the choice
        // stays: what is meant for a sandbox must not go to the merchant itself.
        if (use === 'session' && shop && reason instanceof Refused) leave.current()
        else setProblem(reason instanceof Error ? reason.message : String(reason))
      },
    )
    return () => {
      stale = true
    }
  }, [use, key, shop, turns])
  return { viewer, problem }
}
