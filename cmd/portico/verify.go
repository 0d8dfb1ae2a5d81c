package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"portico/db"
	"portico/internal/verify"
)

type verifyCommand struct {
	JSON      bool          `name:"json" help:"Print one JSON object, for scripts."`
	Lag       time.Duration `help:"How late the workers may be." default:"15m"`
	Quiescent bool          `help:"Count what is still on its way as a violation: for a system whose workers have had the time to finish."`
}

// Run prints what does not hold on the database, and is an error when there is anything.
func (v *verifyCommand) Run(ctx context.Context) error {
	c, _, err := settings()
	if err != nil {
		return err
	}
	d, err := db.Open(ctx, string(c.DatabaseURL))
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Ready(ctx); err != nil {
		return fmt.Errorf("%w: run portico migrate", err)
	}
	results, err := verify.Run(ctx, d, time.Now(), verify.Options{Lag: v.Lag, Quiescent: v.Quiescent})
	if err != nil {
		return err
	}
	write := verify.Print
	if v.JSON {
		write = verify.PrintJSON
	}
	if err := write(os.Stdout, results); err != nil {
		return err
	}
	if n := verify.Violations(results); n > 0 {
		return fmt.Errorf("the database violates its invariants: %d violations", n)
	}
	return nil
}
