// A receiver that acknowledges events and loses some of them, as one does that crashes between the two, and that repairs its gaps when it
// is told to. It stands beside the blocks of docs/webhooks.md. Configured by the environment: PORT, SECRET, PORTICO, API_KEY.
import http from 'node:http'
import { repair } from './repair.mjs'
import { verifyWebhook } from './verifyWebhook.mjs'

const { PORT, SECRET, PORTICO, API_KEY } = process.env
const events = new Map() // the text of each event, by its id
const unlike = new Set() // events that came by two ways with two texts
let [lost, repaired, forged, cursor] = [0, 0, 0, null]

function handle(event) {
  events.set(event.id, JSON.stringify(event))
}

function seen(event) {
  if (events.has(event.id) && events.get(event.id) !== JSON.stringify(event)) unlike.add(event.id)
  return events.has(event.id)
}

// A subscription has a gap when its sequences count further than there are events.
function gaps() {
  const counted = new Map()
  for (const text of events.values()) {
    const { sequence, data } = JSON.parse(text)
    const { highest, many } = counted.get(data.subscriptionId) ?? { highest: 0, many: 0 }
    counted.set(data.subscriptionId, { highest: Math.max(highest, sequence), many: many + 1 })
  }
  return [...counted.values()].reduce((missing, { highest, many }) => missing + highest - many, 0)
}

http.createServer(async (request, response) => {
  const answer = (status, value) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const body = Buffer.concat(chunks)
  if (request.url === '/state') return answer(200, { ids: [...events.keys()], lost, repaired, forged, unlike: unlike.size, gaps: gaps() })
  if (request.url === '/repair') {
    cursor = await repair(PORTICO, API_KEY, cursor, seen, (event) => { repaired++; handle(event) })
    return answer(200, { cursor })
  }
  if (!verifyWebhook(SECRET, request.headers, body)) {
    forged++
    return answer(401, { error: 'Invalid signature' })
  }
  const event = JSON.parse(body)
  if (Math.random() < 0.3) lost++
  else if (!seen(event)) handle(event)
  answer(200, { received: true })
}).listen(Number(PORT), '127.0.0.1', () => console.log('listening'))
