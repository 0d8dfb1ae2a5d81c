// Package port owns the choice of ports for processes that tests and measurements start.
package port

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

const (
	// Below the ports that systems give to outgoing connections: one of those can be taken between the choice and the start.
	first, behind = 12_000, 32_000
	tries         = 1_000
)

// Claim is a TCP port of the loopback address that nothing listens on, and that no other claim has until it is given back.
type Claim struct {
	Number int
	flag   net.PacketConn
}

// Take claims a port. The claim holds among all processes of the machine, and ends with the one that made it.
func Take() (*Claim, error) {
	var last error
	for range tries {
		number := first + rand.IntN(behind-first) //nolint:gosec // nobody gains by guessing it
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(number))
		// The UDP port of the same number says that it is claimed. Nothing of ours speaks UDP.
		flag, err := net.ListenPacket("udp", address) //nolint:noctx // it does not wait
		if err != nil {
			last = err
			continue
		}
		listener, err := net.Listen("tcp", address) //nolint:noctx // it does not wait
		if err == nil {
			err = listener.Close()
		}
		if err == nil {
			return &Claim{number, flag}, nil
		}
		last = errors.Join(err, flag.Close())
	}
	return nil, fmt.Errorf("find a free port: %w", last)
}

// Release gives the port back.
func (c *Claim) Release() error { return c.flag.Close() }
