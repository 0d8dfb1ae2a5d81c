package portal

import (
	"context"
	"errors"
	"fmt"

	"portico/db"
)

// Rows that one statement deletes.
const retireBatch = 1000

// Retire forgets what has expired: portal tokens, sessions of persons, and the addresses that links were asked for.
func (p *Portal) Retire(ctx context.Context) error {
	now := p.Now()
	return errors.Join(
		drain("delete expired portal tokens", func() (int64, error) {
			return p.DB.DeletePortalTokens(ctx, p.DB.System(), db.DeletePortalTokensParams{Before: now.Add(-Lifetime), Most: retireBatch})
		}),
		drain("delete consents that led to nothing", func() (int64, error) {
			return p.DB.DeleteConnectTokens(ctx, p.DB.System(), db.DeleteConnectTokensParams{Before: now, Most: retireBatch})
		}),
		drain("delete expired sessions of persons", func() (int64, error) {
			return p.DB.DeletePersonSessions(ctx, p.DB.Pool(), db.DeletePersonSessionsParams{Before: now, Most: retireBatch})
		}),
		drain("delete old magic links", func() (int64, error) {
			return p.DB.DeleteMagicLinks(ctx, p.DB.Pool(), db.DeleteMagicLinksParams{Before: now.Add(-linksCountFor), Most: retireBatch})
		}),
	)
}

// drain goes on until there is nothing left to delete.
func drain(what string, deleteSome func() (int64, error)) error {
	for n := int64(retireBatch); n == retireBatch; {
		var err error
		if n, err = deleteSome(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}
