package portal

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/secret"
)

// PersonSessionLifetime is how long a person stays signed in. Using a session does not extend it.
const PersonSessionLifetime = 12 * time.Hour

// Person is somebody who proved to own an e-mail address.
type Person struct {
	ID    int64
	Email string
}

// PersonSession is a person's, just opened. Only a hash of its token is stored.
type PersonSession struct {
	Token     secret.Text
	ExpiresAt time.Time
	Person    Person
	Shop      *string // the one whose portal the link was asked for
}

// SessionCookie is the name of the cookie that holds a person's session: over https, and over plain http, where browsers do not
// take the first.
func SessionCookie(secure bool) string {
	if secure {
		return "__Host-portico_person"
	}
	return "portico_person"
}

// PersonSignIn opens a session for who has the token of a link that was mailed: having it proves that the address is theirs. A token
// that is wrong, used or expired is the same UNAUTHENTICATED.
func (p *Portal) PersonSignIn(ctx context.Context, token secret.Text) (PersonSession, error) {
	refused := fault.New(fault.CodeUnauthenticated, "token", "is not valid or has been used: ask for a new link")
	if kind, err := secret.KindOf(token); err != nil || kind != secret.KindMagicLink {
		return PersonSession{}, refused
	}
	now := p.Now()
	session := PersonSession{Token: secret.NewCredential(secret.KindPersonSession, true), ExpiresAt: now.Add(PersonSessionLifetime)}
	err := p.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		link, err := p.DB.UseMagicLink(ctx, tx, db.UseMagicLinkParams{TokenHash: p.Keys.Hash(token), Now: now})
		if db.IsNoRows(err) {
			return refused
		}
		if err != nil {
			return err
		}
		person, err := p.DB.UpsertPerson(ctx, tx, db.UpsertPersonParams{Email: link.Email, CreatedAt: now})
		if err != nil {
			return err
		}
		session.Person, session.Shop = Person{ID: person.ID, Email: person.Email}, link.Shop
		_, err = p.DB.InsertPersonSession(ctx, tx, db.InsertPersonSessionParams{
			PersonID: person.ID, TokenHash: p.Keys.Hash(session.Token), CreatedAt: now, ExpiresAt: session.ExpiresAt,
		})
		return err
	})
	if err != nil {
		return PersonSession{}, fmt.Errorf("sign a person in: %w", err)
	}
	return session, nil
}

// PersonSignOut ends the session that the caller came with.
func (p *Portal) PersonSignOut(ctx context.Context, caller account.Caller) error {
	err := p.DB.DeletePersonSession(ctx, p.DB.Pool(), db.DeletePersonSessionParams{ID: caller.PersonSessionID, PersonID: caller.PersonID})
	if err != nil {
		return fmt.Errorf("sign a person out: %w", err)
	}
	return nil
}

// Person is the caller's; NOT_FOUND for callers that are none.
func (p *Portal) Person(ctx context.Context, caller account.Caller) (Person, error) {
	row, err := p.DB.Person(ctx, p.DB.Pool(), caller.PersonID)
	if db.IsNoRows(err) {
		return Person{}, fault.NotFound("", "person")
	}
	if err != nil {
		return Person{}, fmt.Errorf("find person %d: %w", caller.PersonID, err)
	}
	return Person{ID: row.ID, Email: row.Email}, nil
}

// authenticatePerson tells for which customers a person's session stands: those with the address, of live merchants whose portal is open and
// whose settings let a session last so long. It is asked anew for every request, so that a customer whose address changes is somebody else's at once. Shops do not matter to a person.
func (p *Portal) authenticatePerson(ctx context.Context, credential secret.Text, _ string) (account.Caller, error) {
	session, err := p.DB.PersonSessionByHash(ctx, p.DB.Pool(), p.Keys.Hash(credential))
	if db.IsNoRows(err) || (err == nil && !p.Now().Before(session.ExpiresAt)) {
		return account.Caller{}, account.ErrUnauthenticated
	}
	if err != nil {
		return account.Caller{}, fmt.Errorf("authenticate a person: %w", err)
	}
	rows, err := p.DB.CustomersOfPerson(ctx, p.DB.System(), db.CustomersOfPersonParams{
		PersonKey: fold(session.Email), AgeSeconds: int32(p.Now().Sub(session.CreatedAt).Seconds()),
	})
	if err != nil {
		return account.Caller{}, fmt.Errorf("find the customers of person %d: %w", session.PersonID, err)
	}
	customers := make([]account.CustomerKey, len(rows))
	for i, row := range rows {
		customers[i] = account.CustomerKey(row)
	}
	return account.Caller{
		Kind: account.KindPerson, PersonID: session.PersonID, PersonSessionID: session.ID, Customers: customers,
	}, nil
}
