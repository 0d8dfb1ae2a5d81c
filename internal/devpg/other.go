//go:build !unix

package devpg

import (
	"context"
	"errors"
)

// Server does not exist on this system.
type Server struct{}

// Start returns an error.
func Start(context.Context, Options) (*Server, error) {
	return nil, errors.New("a private PostgreSQL needs a Unix system: set DATABASE_URL")
}

// URL is empty.
func (*Server) URL() string { return "" }

// AdminURL is empty.
func (*Server) AdminURL() string { return "" }

// Done is never closed.
func (*Server) Done() <-chan struct{} { return nil }

// Stop does nothing.
func (*Server) Stop(context.Context) error { return nil }
