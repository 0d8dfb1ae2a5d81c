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

type signingListCommand struct{}

// Run prints the keys.
func (*signingListCommand) Run(ctx context.Context) error {
	return withApp(ctx, func(a *app) error { return printSigningKeys(ctx, os.Stdout, a.access) })
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
	err := act(ctx, "signingKeysRoll", nil, func(a *app) (string, error) { return "", a.access.SigningKeysRoll(ctx, ahead) })
	if err != nil {
		return err
	}
	return new(signingListCommand).Run(ctx)
}

type signingRevokeCommand struct {
	KID string `arg:"" help:"The key, as portico key signing list names it."`
}

// Run revokes a key.
func (s *signingRevokeCommand) Run(ctx context.Context) error {
	err := act(ctx, "signingKeyRevoke", []string{"kid"}, func(a *app) (string, error) {
		id, err := a.access.SigningKeyRevoke(ctx, s.KID)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("gid://portico/SigningKey/%d", id), nil
	})
	if err != nil {
		return err
	}
	return new(signingListCommand).Run(ctx)
}
