// Command crash shows that Portico survives being killed. It runs real API and worker processes, and a driver that sells, renews
// and cancels through them, kills the processes or Postgres at random moments, lets the system settle, and then compares our
// books, the payment provider's and the webhook receiver's: nothing may be lost, doubled or out of order.
//
//	go run ./bench/crash -mode workers -kills 50 -for 3m
//
// In the mode deliveries it looks at webhooks alone: a publisher commits thousands of events, and workers and receivers are killed. Every
// event must then be with every endpoint that wants it.
//
// It exits with 1 when a rule is violated, and then keeps its folder with the database and the logs of all processes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends us at once
	clean, err := command(ctx, os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "crash:", err)
	}
	if err != nil || !clean {
		os.Exit(1)
	}
}

// command runs each chosen mode and tells whether all of them held every rule.
func command(ctx context.Context, args []string, out io.Writer) (clean bool, err error) {
	if len(args) == 2 && args[0] == roleReceive {
		return true, receive(ctx, args[1])
	}
	o := options{out: out, merchants: 4, customers: 40}
	flags := flag.NewFlagSet("crash", flag.ContinueOnError)
	mode := flags.String("mode", modeBoth, "what is killed: workers (and now and then the API), postgres, both in one run after the other, or "+
		"deliveries: workers and the receivers of webhooks, at volume")
	flags.IntVar(&o.events, "events", 20_000, "how many events to publish, about, in the mode deliveries")
	flags.Uint64Var(&o.seed, "seed", 0, "draws the moments and victims of the kills and the driver's choices; 0 takes a new one")
	flags.IntVar(&o.kills, "kills", 50, "how often to kill")
	flags.DurationVar(&o.lasting, "for", 3*time.Minute, "how long to go on killing")
	flags.DurationVar(&o.patience, "settle", 4*time.Minute, "how long the system may take to settle afterwards")
	flags.BoolVar(&o.naive, "naive", false, "build Portico with its steps in a naive order, or, in the mode deliveries, receivers that acknowledge "+
		"what they have not kept: the run must then fail")
	flags.BoolVar(&o.keep, "keep", false, "keep the folder even when every rule holds")
	if err := flags.Parse(args); err != nil {
		return false, err
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()%1_000_000 + 1 //nolint:gosec // nobody gains by guessing it
	}
	modes := []string{*mode}
	if *mode == modeDeliveries {
		o.customers = 200 // so that no lane is too long to be caught up with
	}
	if *mode == modeBoth {
		modes = []string{modeWorkers, modePostgres}
	}
	clean = true
	for _, o.mode = range modes {
		held, err := inFolder(ctx, o)
		if err != nil {
			return false, err
		}
		clean = clean && held
	}
	return clean, nil
}

// inFolder runs in a folder of its own, which stays when there is something to look at.
func inFolder(ctx context.Context, o options) (held bool, err error) {
	if o.folder, err = os.MkdirTemp("", "portico-crash-"); err != nil {
		return false, err
	}
	defer func() {
		if held && !o.keep {
			err = errors.Join(err, os.RemoveAll(o.folder))
		} else {
			_, _ = fmt.Fprintf(o.out, "\nthe database and the logs are in %s\n", o.folder)
		}
	}()
	r, err := run(ctx, o)
	if err != nil {
		return false, err
	}
	r.write(o.out)
	return r.held(), nil
}
