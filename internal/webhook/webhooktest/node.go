// Package webhooktest owns the other end of webhooks in tests: Node.js, which reads bodies as receivers do, and the JSON that merchants
// give us.
package webhooktest

import (
	"bufio"
	_ "embed"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

//go:embed stable.mjs
var stable string

// Node is a Node.js process that reads bodies as existing receivers do.
type Node struct {
	mu  sync.Mutex
	in  io.Writer
	out *bufio.Reader
}

// StartNode starts a process that ends with the test.
func StartNode(t testing.TB) *Node {
	t.Helper()
	node := exec.Command("node", "--input-type=module", "--eval", stable) //nolint:gosec,noctx // a script of ours; it ends with its input
	node.Stderr = os.Stderr
	in, err := node.StdinPipe()
	require.NoError(t, err)
	out, err := node.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, node.Start(), "this test needs Node.js")
	t.Cleanup(func() {
		require.NoError(t, in.Close())
		require.NoError(t, node.Wait())
	})
	return &Node{in: in, out: bufio.NewReader(out)}
}

// Reads gives JSON.stringify(JSON.parse(body)), which the receiver computes its signature over, and false for a body that it cannot
// parse.
func (n *Node) Reads(t require.TestingT, body []byte) (string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(body))) //nolint:gosec // megabytes at most
	_, err := n.in.Write(append(frame, body...))
	require.NoError(t, err)
	var size [4]byte
	_, err = io.ReadFull(n.out, size[:])
	require.NoError(t, err)
	text := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err = io.ReadFull(n.out, text)
	require.NoError(t, err)
	return string(text), len(text) > 0
}
