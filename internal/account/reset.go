package account

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/mail"
	"portico/internal/secret"
)

// PasswordResetArgs is the job that mails a member a link to choose a new password, if there is one: its worker calls SendReset.
type PasswordResetArgs struct {
	RequestID int64 `json:"request_id"`
}

// Kind implements river.JobArgs.
func (PasswordResetArgs) Kind() string { return "member.reset_password" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (PasswordResetArgs) InsertOpts() river.InsertOpts { return river.InsertOpts{Queue: mail.Queue} }

// RequestReset asks for a link to choose a new password to be mailed to the member who has proven to own the address. What it does,
// how long that takes and what it answers are the same for every address: whether there is such a member is found out later. An
// address gets a few mails an hour, whatever is asked; too many requests from one network are THROTTLED.
func (a *Accounts) RequestReset(ctx context.Context, from Origin, email string) error {
	var check fault.Check
	email = emailAddress(&check, "email", email)
	if err := check.Err(); err != nil {
		return err
	}
	if err := a.take(ctx, resets(from)); err != nil {
		return err
	}
	if err := a.take(ctx, mails("reset", email)); err != nil {
		if fault.Is(err, fault.CodeThrottled) {
			return nil
		}
		return err
	}
	err := a.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		id, err := a.DB.InsertPasswordResetRequest(ctx, tx, db.InsertPasswordResetRequestParams{Email: email, CreatedAt: a.Now()})
		if err != nil {
			return err
		}
		_, err = a.Jobs.InsertTx(ctx, tx, PasswordResetArgs{RequestID: id}, nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("ask for a password reset: %w", err)
	}
	return nil
}

// SendReset answers a request, once.
func (a *Accounts) SendReset(ctx context.Context, requestID int64) error {
	err := a.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		email, err := a.DB.TakePasswordResetRequest(ctx, tx, requestID)
		if db.IsNoRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		row, err := a.DB.VerifiedMemberByEmail(ctx, tx, email)
		if db.IsNoRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		_, token, err := a.memberToken(ctx, tx, memberOf(row), purposeReset, resetLifetime)
		if err != nil {
			return err
		}
		return a.Mail.Enqueue(ctx, tx, mail.Message{
			Recipient: row.Email, Cause: fmt.Sprintf("member/%d/reset/%d", row.ID, requestID),
			Content: mail.PasswordReset{Link: a.link(PathReset, token), ExpiresAt: a.Now().Add(resetLifetime)},
		})
	})
	if err != nil {
		return fmt.Errorf("answer password reset request %d: %w", requestID, err)
	}
	return nil
}

// ResetPassword takes the token out of a mail for a new password, and ends all of the member's sessions. NOT_FOUND for a token that
// is none, is used or has expired.
func (a *Accounts) ResetPassword(ctx context.Context, token secret.Text, password string) error {
	hash, err := a.mailed(token)
	if err != nil {
		return err
	}
	row, err := a.DB.MemberOfToken(ctx, a.DB.Pool(), db.MemberOfTokenParams{TokenHash: hash, Purpose: purposeReset, Now: a.Now()})
	if db.IsNoRows(err) {
		return linkOver()
	}
	if err != nil {
		return fmt.Errorf("find the member of a token: %w", err)
	}
	passwordHash, err := a.choosePassword(ctx, "password", password, row.Email)
	if err != nil {
		return err
	}
	err = a.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		id, err := a.DB.UseMemberToken(ctx, tx, db.UseMemberTokenParams{TokenHash: hash, Purpose: purposeReset, Now: a.Now()})
		if db.IsNoRows(err) {
			return linkOver()
		}
		if err != nil {
			return err
		}
		if err := a.DB.DropMemberTokens(ctx, tx, db.DropMemberTokensParams{MemberID: id, Purpose: purposeReset}); err != nil {
			return err
		}
		const all = 0
		return a.setPassword(ctx, tx, memberOf(row), passwordHash, all)
	})
	if err != nil {
		return fmt.Errorf("reset a password: %w", err)
	}
	return nil
}

// ChangePassword gives the caller another password and ends the caller's other sessions. A wrong present one is UNAUTHENTICATED and
// counts as a wrong guess at sign-in does.
func (a *Accounts) ChangePassword(ctx context.Context, caller Caller, from Origin, present, next string) error {
	row, err := a.DB.MemberByID(ctx, a.DB.System(), db.MemberByIDParams{ID: caller.MemberID, ViewerID: caller.MemberID})
	if err != nil {
		return fmt.Errorf("find member %d: %w", caller.MemberID, err)
	}
	attempts, err := a.guesses(ctx, from, row.Email)
	if err != nil {
		return err
	}
	if err := a.take(ctx, attempts); err != nil {
		return err
	}
	matches := false
	if len(present) <= MaxPasswordBytes {
		if matches, err = a.verifyPassword(ctx, row.PasswordHash, present); err != nil {
			return err
		}
	}
	if !matches {
		return fault.New(fault.CodeUnauthenticated, "currentPassword", "is not your present password")
	}
	if err := a.giveBack(ctx, attempts); err != nil {
		return err
	}
	passwordHash, err := a.choosePassword(ctx, "newPassword", next, row.Email)
	if err != nil {
		return err
	}
	err = a.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		stored, err := a.DB.LockPassword(ctx, tx, row.ID)
		if err != nil {
			return err
		}
		if stored != row.PasswordHash {
			return fault.New(fault.CodeConflict, "", "the password was changed meanwhile")
		}
		return a.setPassword(ctx, tx, memberOf(row), passwordHash, caller.SessionID)
	})
	if err != nil {
		return fmt.Errorf("change a password: %w", err)
	}
	return nil
}

// Tidy deletes what has expired: sessions, tokens, full buckets of attempts, and requests that nobody has answered for a day.
func (a *Accounts) Tidy(ctx context.Context) error {
	err := a.DB.DropStaleAccountRows(ctx, a.DB.Pool(), db.DropStaleAccountRowsParams{Now: a.Now(), AskedBefore: a.Now().Add(-day)})
	if err != nil {
		return fmt.Errorf("tidy accounts: %w", err)
	}
	return nil
}

// choosePassword checks a new password and gives its hash.
func (a *Accounts) choosePassword(ctx context.Context, field, password, email string) (string, error) {
	var check fault.Check
	newPassword(&check, field, password, email)
	if err := check.Err(); err != nil {
		return "", err
	}
	return a.hashPassword(ctx, password)
}

// setPassword stores another password, ends all sessions but one, and tells the member.
func (a *Accounts) setPassword(ctx context.Context, tx pgx.Tx, member Member, passwordHash string, keepSession int64) error {
	if err := a.DB.SetPassword(ctx, tx, db.SetPasswordParams{ID: member.ID, PasswordHash: passwordHash}); err != nil {
		return err
	}
	_, err := a.DB.DeleteOtherSessions(ctx, tx, db.DeleteOtherSessionsParams{MemberID: member.ID, KeepID: keepSession})
	if err != nil {
		return err
	}
	return a.Mail.Enqueue(ctx, tx, mail.Message{
		Recipient: member.Email, Cause: fmt.Sprintf("member/%d/password/%d", member.ID, a.Now().UnixMicro()),
		Content: mail.PasswordChanged{At: a.Now(), Link: a.link(PathReset, "")},
	})
}
