// Command portico is the subscription portal: its API, its workers, and their administration.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"portico/internal/config"
	"portico/internal/redact"
)

type cli struct {
	Dev     devCommand     `cmd:"" help:"Run everything in one process on a private Postgres with demo data: for newcomers and development."`
	Serve   serveCommand   `cmd:"" help:"Serve the API. Stateless: run as many as you like."`
	Work    workCommand    `cmd:"" help:"Work the background jobs. Run as many as you like."`
	Migrate migrateCommand `cmd:"" help:"Bring the database of DATABASE_URL up to date."`
	Key     keyCommand     `cmd:"" help:"The keys that encrypt stored secrets: list them, make one, rotate to the first. See docs/keys.md."`
	Verify  verifyCommand  `cmd:"" help:"Check every invariant on a database, which may be live. Exits 1 on a violation."`

	Listen  listenCommand  `cmd:"" help:"Forward a merchant's events to a receiver on this machine, as an endpoint would get them."`
	Trigger triggerCommand `cmd:"" help:"Have an event of a type happen in a sandbox."`

	Operator operatorCommand `cmd:"" help:"Make and change operators: those who run this installation."`
}

func main() {
	var commands cli
	parser := kong.Must(&commands,
		kong.Name("portico"),
		kong.Description("Self-hosted subscription portal. Settings come from the environment; see docs/configuration.md."),
		kong.UsageOnError(),
	)
	chosen, err := parser.Parse(os.Args[1:])
	parser.FatalIfErrorf(err)

	// The first signal asks for a graceful stop. Then the default returns, so that a second one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	chosen.BindTo(ctx, (*context.Context)(nil))
	if err := chosen.Run(); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "portico:", redact.Text(err.Error()))
		os.Exit(1)
	}
}

// settings are the environment of a command that works on an existing database.
func settings() (config.Config, *slog.Logger, error) {
	c, err := config.Load()
	if err != nil {
		return config.Config{}, nil, err
	}
	if err := c.RequireDatabase(); err != nil {
		return config.Config{}, nil, err
	}
	return c, logger(jsonLines, os.Stderr, c.LogLevel), nil
}
