// Package peer owns the question which address a request comes from.
package peer

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Proxies are the networks of proxies whose word about their clients is taken.
type Proxies []netip.Prefix

// Address is the address of the client: the last one in the chain that X-Forwarded-For tells of that is no proxy of ours. Without
// trusted proxies, and from anybody else, the header means nothing. The zero Addr when the connection has no address.
func (p Proxies) Address(r *http.Request) netip.Addr {
	connected, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	client := connected.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !p.trust(client) {
			break
		}
		// What cannot be read was not written by a proxy of ours, which are the only ones that we believe.
		address, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		client = address.Unmap().WithZone("")
	}
	return client
}

func (p Proxies) trust(address netip.Addr) bool {
	return slices.ContainsFunc(p, func(network netip.Prefix) bool { return network.Contains(address) })
}
