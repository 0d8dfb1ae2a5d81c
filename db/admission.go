package db

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrChanged is returned for statements of a caller whose credential is no longer what the caller was let in on. Nothing was done.
var ErrChanged = errors.New("the caller's credential has changed")

// changed is the SQLSTATE with which enter_with_key refuses.
const changed = "PT001"

// Admission is what lets a caller in without asking the database first: the version of an API key's row that this process has seen.
// The first statement in a context that carries it compares the version before it does anything else, in the same round trip, be it a
// single statement or the begin of a transaction; once it has held, it holds for the rest of the context.
type Admission struct {
	merchantID, keyID int64
	version           uint32
	standing          atomic.Int32
}

const (
	unconfirmed int32 = iota
	stands
	fallen
)

// Admission of the caller with an API key whose row was found like this.
func (k APIKeyByHashRow) Admission() *Admission {
	return &Admission{merchantID: k.MerchantID, keyID: k.ID, version: k.Version.Uint32}
}

type admissionKey struct{}

// In gives a context whose statements depend on the admission. Without one they depend on nothing.
func (a *Admission) In(ctx context.Context) context.Context {
	if a == nil {
		return ctx
	}
	return context.WithValue(ctx, admissionKey{}, a)
}

// Stands tells whether there is nothing left to confirm.
func (a *Admission) Stands() bool { return a == nil || a.standing.Load() == stands }

// Confirm makes sure that the admission of a context stands, if it has one: ErrChanged if it does not. It asks the database only if no
// statement has done so.
func (d *DB) Confirm(ctx context.Context) error {
	a, err := admissionOf(ctx)
	if err == nil && a != nil {
		_, err = d.Tenant(a.merchantID).Exec(ctx, `select`)
	}
	return err
}

// admissionOf gives the admission that the next statement has to confirm, or nil.
func admissionOf(ctx context.Context) (*Admission, error) {
	a, _ := ctx.Value(admissionKey{}).(*Admission)
	switch {
	case a.Stands():
		return nil, nil //nolint:nilnil // most statements depend on none
	case a.standing.Load() == fallen:
		return nil, ErrChanged
	}
	return a, nil
}

// settle notes how the statement that confirms the admission has ended.
func (a *Admission) settle(err error) error {
	var refused *pgconn.PgError
	switch {
	case a == nil:
	case err == nil:
		a.standing.CompareAndSwap(unconfirmed, stands)
	case errors.As(err, &refused) && refused.Code == changed:
		a.standing.Store(fallen)
		return ErrChanged
	}
	return err
}

// begin is the SQL that begins a transaction of a tenant. All of it is ours: the setting is the word system or digits in braces.
func (a *Admission) begin(begin, tenant string) string {
	if a == nil {
		return fmt.Sprintf("%s; select set_config('portico.tenant', '%s', true)", begin, tenant)
	}
	return fmt.Sprintf("%s; select enter_with_key('%s', %d, %d, '%d')", begin, tenant, a.merchantID, a.keyID, a.version)
}
