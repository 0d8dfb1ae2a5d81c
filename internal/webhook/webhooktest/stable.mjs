// Reads frames (4 bytes of big-endian length, then UTF-8 text) and answers each with a frame that holds
// JSON.stringify(JSON.parse(text)), or nothing where JSON.parse refuses the text.
let pending = Buffer.alloc(0);

for await (const chunk of process.stdin) {
  pending = Buffer.concat([pending, chunk]);
  while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32BE(0)) {
    const end = 4 + pending.readUInt32BE(0);
    answer(pending.toString('utf8', 4, end));
    pending = pending.subarray(end);
  }
}

function answer(text) {
  let body = '';
  try {
    body = JSON.stringify(JSON.parse(text));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  const frame = Buffer.alloc(4 + Buffer.byteLength(body));
  frame.writeUInt32BE(frame.length - 4, 0);
  frame.write(body, 4);
  process.stdout.write(frame);
}
