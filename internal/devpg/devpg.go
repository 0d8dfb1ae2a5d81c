// Package devpg owns the private PostgreSQL of development and tests: made from the machine's own binaries, reachable through a
// Unix socket only, and gone when the process that started it is.
package devpg

import (
	"errors"
	"log/slog"
)

// Role is the plain role that owns Database. Row-level security holds it.
const (
	Role     = "portico"
	Database = "portico"
)

// ErrInUse is returned by Start for a data folder that another process serves; the message names the process.
var ErrInUse = errors.New("the data folder is in use")

// Options say where a server keeps its data and how safely.
type Options struct {
	// Dir is the data folder. It is made with mode 0700 where it does not exist and must be empty or ours where it does.
	Dir string
	// Ephemeral, in place of Dir, keeps the data in a temporary folder that Stop removes.
	Ephemeral bool
	// Fsync says whether a commit waits for the disk. By default it does in Dir and does not in an Ephemeral server.
	Fsync *bool
	// Settings of postgres, each as name=value, beyond or in place of those that every start passes.
	Settings []string
	// Log may be nil.
	Log *slog.Logger
}
