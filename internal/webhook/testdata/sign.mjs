// Signs every delivery of the JSON array on standard input with Node's own crypto, as a receiver would.
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';

const deliveries = JSON.parse(readFileSync(0, 'utf8'));
const signed = deliveries.map(({ secret, id, timestamp, body }) => {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  return {
    portal: createHmac('sha256', secret).update(body).digest('hex'),
    standard: 'v1,' + createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64'),
  };
});
process.stdout.write(JSON.stringify(signed));
