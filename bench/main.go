// Command bench measures Portico against its budgets: it starts a private Postgres, prepares data, runs the cases one after the
// other, prints a table and writes the same as JSON. docs/performance.md says how to read the figures.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// benchCase is one measurement. Each is a file of its own.
type benchCase struct {
	name  string
	about string
	run   func(context.Context, *lab) ([]figure, error)
}

func cases() []benchCase {
	return []benchCase{
		{"sweep", "the renewal sweep on few and on many subscriptions with as many due", sweeps},
		{"renew", "whole renewals by two work processes with the test gateway", renewals},
		{"access", "access over GraphQL beside a bare handler, few and many subscriptions", accessChecks},
		{"peers", "access and 20 products beside PostGraphile and Mercurius (needs Node.js with npm)", peers},
		{"tenancy", "the SELECT of access with row-level security and without", tenancy},
		{"launch", "launch tokens beside bare signing", launches},
		{"accesstoken", "access tokens beside bare signing", accessTokens},
		{"deliver", "webhooks to one endpoint, to fifty, and beside one that hangs", deliveries},
		{"failing", "webhooks to a hundred endpoints of which thirty hang, fail or refuse", failures},
		{"pace", "webhooks to a hundred endpoints, a few events a second, and workers that have nothing to do", paces},
		{"memory", "memory of serve and work under load", memoryPeaks},
		{"start", "portico dev until it is ready, cold and warm", starts},
	}
}

// roles are what this program also is, in processes of their own: the other ends of connections.
func roles() map[string]func(context.Context, []string) error {
	return map[string]func(context.Context, []string) error{"load": load, "bare": bare, "receive": receive}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		if role := roles()[args[0]]; role != nil {
			return role(ctx, args[1:])
		}
	}
	var o options
	if err := o.parse(args); err != nil {
		return err
	}
	return o.measure(ctx, os.Stdout)
}

type options struct {
	cases []benchCase
	quick bool
	data  string
	json  string
}

func (o *options) parse(args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	names := flags.String("case", "", "cases to run, separated by commas; all when left out")
	flags.BoolVar(&o.quick, "quick", false, "run every case in seconds, on little data that is not kept: to see that it works, not how fast")
	flags.StringVar(&o.data, "data", "", "folder of the private Postgres, which keeps prepared data; default: portico-bench in the user's cache folder")
	flags.StringVar(&o.json, "json", "bin/bench.json", "file to write the figures to")
	flags.Usage = func() {
		fmt.Fprintln(flags.Output(), "Usage: bench [flags]. The cases are:")
		for _, c := range cases() {
			fmt.Fprintf(flags.Output(), "  %-8s  %s\n", c.name, c.about)
		}
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return o.choose(*names)
}

func (o *options) choose(names string) error {
	if names == "" {
		o.cases = cases()
		return nil
	}
	for name := range strings.SplitSeq(names, ",") {
		found := false
		for _, c := range cases() {
			if c.name == strings.TrimSpace(name) {
				o.cases, found = append(o.cases, c), true
			}
		}
		if !found {
			return fmt.Errorf("there is no case %q", name)
		}
	}
	return nil
}

// measure runs the chosen cases. A budget that is missed is shown, and is no error: how fast a machine is says nothing about whether
// the program works.
func (o *options) measure(ctx context.Context, out io.Writer) (err error) {
	l, err := newLab(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close(context.WithoutCancel(ctx))) }()
	r, err := l.newReport(ctx)
	if err != nil {
		return err
	}
	for _, c := range o.cases {
		l.say("%s: %s", c.name, c.about)
		figures, err := c.run(ctx, l)
		if err != nil {
			return fmt.Errorf("case %s: %w", c.name, err)
		}
		r.add(c.name, figures)
	}
	if err := r.print(out); err != nil {
		return err
	}
	return r.write(o.json)
}
