import '../nonce'
import '../monaco'
// Of each package, as the bundle has fonts in it as data: addresses.
import '@graphiql/react/style.css'
import 'graphiql/graphiql.css'
import '@graphiql/plugin-doc-explorer/style.css'
import '@graphiql/plugin-explorer/style.css'
import '@graphiql/plugin-history/style.css'
import './playground.css'

import { createRoot } from 'react-dom/client'

import { Playground } from './playground'
import { settle } from './stored'

settle()
const root = document.getElementById('playground')
if (root) createRoot(root).render(<Playground />)
