package mail

import (
	"context"
	"crypto/x509"
	"net"
)

// Redirect makes s, whatever its host is called, talk to the server at addr and trust these certificates only.
func (s *SMTP) Redirect(addr string, roots *x509.CertPool) *SMTP {
	s.roots = roots
	s.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	return s
}
