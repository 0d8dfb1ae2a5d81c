package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"portico/internal/access"
)

type signingKeyCommand struct {
	List   signingListCommand   `cmd:"" help:"Show the keys that sign access tokens, and from when."`
	Roll   signingRollCommand   `cmd:"" help:"Publish new keys, which sign in ten minutes. Tokens that are out stay valid."`
	Revoke signingRevokeCommand `cmd:"" help:"End a key with all tokens that it has signed."`
}

// withAccess does something about the signing keys.
func withAccess(ctx context.Context, do func(*access.Access) error) error {
	c, log, err := settings()
	if err != nil {
		return err
	}
	a, err := wire(ctx, c, log)
	if err != nil {
		return err
	}
	defer a.close()
	return do(a.access)
}

type signingListCommand struct{}

// Run prints the keys.
func (*signingListCommand) Run(ctx context.Context) error {
	return withAccess(ctx, func(a *access.Access) error { return printSigningKeys(ctx, os.Stdout, a) })
}

func printSigningKeys(ctx context.Context, w io.Writer, a *access.Access) error {
	keys, err := a.SigningKeys(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "KID\tALGORITHM\tSIGNS FROM\tSTANDING")
	now := a.Now()
	for _, key := range keys {
		standing := "published for the tokens that it has signed"
		switch {
		case key.RevokedAt != nil:
			standing = "revoked at " + key.RevokedAt.Format(time.RFC3339)
		case key.Signs(keys, now):
			standing = "signs"
		case now.Before(key.SignsFrom):
			standing = "published ahead"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", key.KID, key.Algorithm, key.SignsFrom.Format(time.RFC3339), standing)
	}
	return table.Flush()
}

type signingRollCommand struct {
	Now bool `help:"Sign with them at once, before apps that keep the published keys have fetched them."`
}

// Run rolls the keys.
func (s *signingRollCommand) Run(ctx context.Context) error {
	ahead := access.KeyRollAhead
	if s.Now {
		ahead = 0
	}
	return withAccess(ctx, func(a *access.Access) error {
		if err := a.SigningKeysRoll(ctx, ahead); err != nil {
			return err
		}
		return printSigningKeys(ctx, os.Stdout, a)
	})
}

type signingRevokeCommand struct {
	KID string `arg:"" help:"The key, as portico key signing list names it."`
}

// Run revokes a key.
func (s *signingRevokeCommand) Run(ctx context.Context) error {
	return withAccess(ctx, func(a *access.Access) error {
		if err := a.SigningKeyRevoke(ctx, s.KID); err != nil {
			return err
		}
		return printSigningKeys(ctx, os.Stdout, a)
	})
}
