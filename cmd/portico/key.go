package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"portico/db"
	"portico/internal/config"
	"portico/internal/secret"
	"portico/internal/vault"
	"portico/jobs"
)

type keyCommand struct {
	List   keyListCommand   `cmd:"" help:"Show the keys by version, and how many stored secrets each has sealed in which column."`
	New    keyNewCommand    `cmd:"" help:"Print a fresh entry for PORTICO_KEYS. Put first, it encrypts from the next start on."`
	Rotate keyRotateCommand `cmd:"" help:"Have the workers encrypt every stored secret with the first of PORTICO_KEYS."`

	Signing signingKeyCommand `cmd:"" help:"The keys that sign access tokens."`
}

type keyListCommand struct{}

// Run prints the keys. It does so also with keys that serve and work refuse to start with.
func (*keyListCommand) Run(ctx context.Context) error {
	c, log, err := settings()
	if err != nil {
		return err
	}
	keys, err := secret.NewKeyring(c.Keys, c.Pepper)
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
	inserter, err := jobs.NewInserter(d.Pool(), log)
	if err != nil {
		return err
	}
	v := &vault.Vault{DB: d, Keys: keys, Jobs: inserter, Now: time.Now, Log: log}
	counts, err := v.Census(ctx)
	if err != nil {
		return err
	}
	list, err := v.KeyList(ctx, counts)
	if err != nil {
		return err
	}
	rotating, err := v.Rotating(ctx)
	if err != nil {
		return err
	}
	return printKeys(os.Stdout, list, counts, rotating)
}

func printKeys(w io.Writer, list []vault.Key, counts []vault.Count, rotating bool) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "KEY\tSECRETS\tCOLUMN\tSTANDING")
	for _, key := range list {
		sealed := false
		for _, count := range counts {
			if count.Version == key.Version {
				sealed = true
				_, _ = fmt.Fprintf(table, "%d\t%d\t%s\t%s\n", key.Version, count.Rows, count.Column, standing(key, true))
			}
		}
		if !sealed {
			_, _ = fmt.Fprintf(table, "%d\t0\t\t%s\n", key.Version, standing(key, false))
		}
	}
	if rotating {
		_, _ = fmt.Fprintln(table, "A rotation is under way.")
	}
	return table.Flush()
}

func standing(key vault.Key, sealed bool) string {
	switch {
	case key.Seals:
		return "encrypts"
	case !key.Given && (sealed || key.Required):
		return "MISSING from PORTICO_KEYS"
	case sealed:
		return "decrypts: needed until rotated"
	case key.Required:
		return "decrypts: needed until a rotation has finished"
	default:
		return "decrypts: nothing needs it"
	}
}

type keyNewCommand struct{}

// Run prints an entry for PORTICO_KEYS, and nothing else, so that scripts can take it.
func (*keyNewCommand) Run() error {
	c, err := config.Load()
	if err != nil {
		return err
	}
	var keys *secret.Keyring
	if c.Keys != "" {
		if keys, err = secret.NewKeyring(c.Keys, c.Pepper); err != nil {
			return err
		}
	}
	entry, err := keys.NewEntry()
	if err != nil {
		return err
	}
	_, err = fmt.Println(string(entry))
	return err
}

type keyRotateCommand struct{}

// Run starts a rotation; the workers do it.
func (*keyRotateCommand) Run(ctx context.Context) error {
	return act(ctx, "keyRotate", nil, func(a *app) (string, error) {
		if err := a.vault.RotationStart(ctx); err != nil {
			return "", err
		}
		_, err := fmt.Println("The workers encrypt every stored secret with the first of PORTICO_KEYS; portico key list shows what is left.")
		return "", err
	})
}
