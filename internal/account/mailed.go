package account

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/mail"
	"portico/internal/secret"
)

// Mailer writes mails with the changes that cause them: mail.Outbox.
type Mailer interface {
	Enqueue(ctx context.Context, tx pgx.Tx, m mail.Message) error
}

// Where the links in mails lead, under the public address. What a link carries stands behind a #, which browsers send to no server
// and put into no referrer.
const (
	PathVerify     = "/account/verify"
	PathReset      = "/account/reset"
	PathInvitation = "/account/invitation"
)

// How long what a mail carries can be used.
const (
	verificationLifetime = 7 * 24 * time.Hour
	resetLifetime        = 30 * time.Minute
	invitationLifetime   = 7 * 24 * time.Hour
)

// The purposes of member tokens.
const (
	purposeVerify = "VERIFY_EMAIL"
	purposeReset  = "PASSWORD_RESET"
)

func (a *Accounts) link(path string, token secret.Text) secret.Text {
	if token == "" {
		return secret.Text(a.PublicURL + path)
	}
	return secret.Text(a.PublicURL+path+"#token=") + token
}

// memberToken makes what a mail to a member carries.
func (a *Accounts) memberToken(ctx context.Context, tx db.DBTX, member Member, purpose string, lifetime time.Duration,
) (id int64, token secret.Text, err error) {
	token = secret.NewCredential(secret.KindMailed, true)
	id, err = a.DB.InsertMemberToken(ctx, tx, db.InsertMemberTokenParams{
		MemberID: member.ID, Purpose: purpose, TokenHash: a.Keys.Hash(token), CreatedAt: a.Now(), ExpiresAt: a.Now().Add(lifetime),
	})
	if err != nil {
		return 0, "", fmt.Errorf("insert a token of member %d: %w", member.ID, err)
	}
	return id, token, nil
}

// mailed is the hash of what came out of a mail. Nothing is looked up for text that cannot be a token.
func (a *Accounts) mailed(token secret.Text) ([]byte, error) {
	if kind, err := secret.KindOf(token); err != nil || kind != secret.KindMailed {
		return nil, linkOver()
	}
	return a.Keys.Hash(token), nil
}

func linkOver() *fault.Error {
	return fault.New(fault.CodeNotFound, "token", "this link has been used, has expired or is not complete: ask for another")
}
