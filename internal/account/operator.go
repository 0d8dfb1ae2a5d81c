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

// OperatorSessionLifetime is how long an operator stays signed in. Using a session does not extend it.
const OperatorSessionLifetime = 12 * time.Hour

// Operator is somebody who runs this installation. Operators are made from the shell only; they act for no merchant and always
// sign in with a second factor.
type Operator struct {
	ID         int64
	Email      string
	CreatedAt  time.Time
	DisabledAt *time.Time
}

func operatorOf(row db.Operator) Operator {
	return Operator{ID: row.ID, Email: row.Email, CreatedAt: row.CreatedAt, DisabledAt: row.DisabledAt}
}

// OperatorSession is an operator's, just opened. Only a hash of its token is stored.
type OperatorSession struct {
	Token     secret.Text
	ExpiresAt time.Time
	Operator  Operator
}

// OperatorCreate makes an operator and the secret of the second factor, which is not shown again. Whoever calls it must have
// authorised that, as the shell does: there is no caller.
func (a *Accounts) OperatorCreate(ctx context.Context, email, password string) (Operator, TOTPSecret, error) {
	var check fault.Check
	email = emailAddress(&check, "email", email)
	newPassword(&check, "password", password, email)
	if err := check.Err(); err != nil {
		return Operator{}, TOTPSecret{}, err
	}
	hash, err := a.hashPassword(ctx, password)
	if err != nil {
		return Operator{}, TOTPSecret{}, err
	}
	var row db.Operator
	var made TOTPSecret
	err = a.DB.Tenant().Tx(ctx, func(tx pgx.Tx) error {
		var err error
		row, err = a.DB.InsertOperator(ctx, tx, db.InsertOperatorParams{Email: email, PasswordHash: hash, CreatedAt: a.Now()})
		if db.IsNoRows(err) {
			return fault.Taken("email", "belongs to an operator already")
		}
		if err != nil {
			return err
		}
		made, err = a.giveOperatorTOTP(ctx, tx, row)
		return err
	})
	if err != nil {
		return Operator{}, TOTPSecret{}, fmt.Errorf("create an operator: %w", err)
	}
	return operatorOf(row), made, nil
}

// Operators are all there are, oldest first.
func (a *Accounts) Operators(ctx context.Context) ([]Operator, error) {
	rows, err := a.DB.Operators(ctx, a.DB.Pool())
	if err != nil {
		return nil, fmt.Errorf("list operators: %w", err)
	}
	return convert(rows, operatorOf), nil
}

// OperatorDisable ends an operator's sessions and lets no new one begin, until OperatorEnable.
func (a *Accounts) OperatorDisable(ctx context.Context, email string) (Operator, error) {
	now := a.Now()
	return a.changeOperator(ctx, email, func(tx pgx.Tx) (db.Operator, error) {
		return a.DB.SetOperatorDisabled(ctx, tx, db.SetOperatorDisabledParams{Email: email, DisabledAt: &now})
	})
}

// OperatorEnable takes OperatorDisable back.
func (a *Accounts) OperatorEnable(ctx context.Context, email string) (Operator, error) {
	return a.changeOperator(ctx, email, func(tx pgx.Tx) (db.Operator, error) {
		return a.DB.SetOperatorDisabled(ctx, tx, db.SetOperatorDisabledParams{Email: email})
	})
}

// OperatorResetTOTP makes a new second factor for an operator, ends the operator's sessions, and has a mail tell the operator.
func (a *Accounts) OperatorResetTOTP(ctx context.Context, email string) (operator Operator, made TOTPSecret, err error) {
	operator, err = a.changeOperator(ctx, email, func(tx pgx.Tx) (db.Operator, error) {
		row, err := a.DB.OperatorByEmail(ctx, tx, email)
		if err != nil {
			return row, err
		}
		if made, err = a.giveOperatorTOTP(ctx, tx, row); err != nil {
			return row, err
		}
		return row, a.tellReset(ctx, tx, row, true)
	})
	return operator, made, err
}

// OperatorResetPassword gives an operator a new password, ends the operator's sessions, and has a mail tell the operator.
func (a *Accounts) OperatorResetPassword(ctx context.Context, email, password string) (Operator, error) {
	var check fault.Check
	newPassword(&check, "password", password, email)
	if err := check.Err(); err != nil {
		return Operator{}, err
	}
	hash, err := a.hashPassword(ctx, password)
	if err != nil {
		return Operator{}, err
	}
	return a.changeOperator(ctx, email, func(tx pgx.Tx) (db.Operator, error) {
		row, err := a.DB.SetOperatorPassword(ctx, tx, db.SetOperatorPasswordParams{Email: email, PasswordHash: hash})
		if err != nil {
			return row, err
		}
		return row, a.tellReset(ctx, tx, row, false)
	})
}

func (a *Accounts) tellReset(ctx context.Context, tx pgx.Tx, row db.Operator, secondFactor bool) error {
	return a.Mail.Enqueue(ctx, tx, mail.Message{
		Recipient: row.Email, Cause: fmt.Sprintf("operator/%d/reset/%d", row.ID, a.Now().UnixMicro()),
		Content: mail.OperatorReset{At: a.Now(), SecondFactor: secondFactor, Link: secret.Text(a.PublicURL)},
	})
}

func (a *Accounts) changeOperator(ctx context.Context, email string, change func(pgx.Tx) (db.Operator, error)) (Operator, error) {
	var row db.Operator
	err := a.DB.System().Tx(ctx, func(tx pgx.Tx) (err error) {
		row, err = change(tx)
		if db.IsNoRows(err) {
			return fault.NotFound("email", "operator")
		}
		if err != nil {
			return err
		}
		return a.DB.DeleteOperatorSessions(ctx, tx, row.ID)
	})
	if err != nil {
		return Operator{}, fmt.Errorf("change an operator: %w", err)
	}
	return operatorOf(row), nil
}

func (a *Accounts) giveOperatorTOTP(ctx context.Context, tx pgx.Tx, row db.Operator) (TOTPSecret, error) {
	made, err := newTOTPSecret(row.Email)
	if err != nil {
		return TOTPSecret{}, err
	}
	return made, a.DB.SetOperatorTotp(ctx, tx, db.SetOperatorTotpParams{
		OperatorID: &row.ID, SecretCipher: a.sealTOTP(operatorHolder(row.ID), made.Secret), CreatedAt: a.Now(),
	})
}

// OperatorSignIn opens a session for the operator with this e-mail address, password and code. Whatever does not match is the same
// UNAUTHENTICATED, and without the password it takes the same time and the same writes whether or not there is such an operator.
// Wrong codes count only with the password: a stranger who knows the address cannot lock the operator out. Too many attempts from one
// network are THROTTLED, whatever is given.
func (a *Accounts) OperatorSignIn(ctx context.Context, from Origin, email, password, code string) (OperatorSession, error) {
	refused := fault.New(fault.CodeUnauthenticated, "",
		"e-mail address, password and code do not match, or there were too many wrong codes: after five, wait %d minutes", int(guessWindow.Minutes()))
	var check fault.Check
	email = emailAddress(&check, "email", email)
	if check.Err() != nil || len(password) > MaxPasswordBytes {
		return OperatorSession{}, refused
	}
	attempts := operatorGuesses(from)
	if err := a.take(ctx, attempts); err != nil {
		return OperatorSession{}, err
	}
	stored := dummyHash()
	row, err := a.DB.OperatorByEmail(ctx, a.DB.Pool(), email)
	switch {
	case err == nil && row.DisabledAt == nil:
		stored = row.PasswordHash
	case err != nil && !db.IsNoRows(err):
		return OperatorSession{}, fmt.Errorf("sign an operator in: %w", err)
	}
	matches, err := a.verifyPassword(ctx, stored, password)
	if err == nil && matches {
		matches, err = a.proveOperator(ctx, row.ID, code)
	}
	if err != nil {
		return OperatorSession{}, fmt.Errorf("sign an operator in: %w", err)
	}
	if !matches {
		return OperatorSession{}, refused
	}
	if err := a.giveBack(ctx, attempts); err != nil {
		return OperatorSession{}, err
	}
	return a.openOperatorSession(ctx, row, refused)
}

// proveOperator checks the second factor of an operator whose password matches. When no guess is free nothing is right.
func (a *Accounts) proveOperator(ctx context.Context, id int64, code string) (bool, error) {
	g, err := a.takeGuess(ctx, a.DB.Pool(), operatorHolder(id))
	if fault.Is(err, fault.CodeThrottled) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	step, found := g.step(a.Now(), code)
	if !found {
		return false, nil
	}
	return a.accept(ctx, a.DB.Pool(), g, step)
}

func (a *Accounts) openOperatorSession(ctx context.Context, row db.Operator, refused error) (OperatorSession, error) {
	token := secret.NewCredential(secret.KindOperatorSession, true)
	session, err := a.DB.InsertOperatorSession(ctx, a.DB.Pool(), db.InsertOperatorSessionParams{
		OperatorID: row.ID, PasswordHash: row.PasswordHash, TokenHash: a.Keys.Hash(token),
		CreatedAt: a.Now(), ExpiresAt: a.Now().Add(OperatorSessionLifetime),
	})
	if db.IsNoRows(err) {
		return OperatorSession{}, refused
	}
	if err != nil {
		return OperatorSession{}, fmt.Errorf("open a session for operator %d: %w", row.ID, err)
	}
	return OperatorSession{Token: token, ExpiresAt: session.ExpiresAt, Operator: operatorOf(row)}, nil
}

// OperatorSignOut ends the session that the caller came with.
func (a *Accounts) OperatorSignOut(ctx context.Context, caller Caller) error {
	err := a.DB.DeleteOperatorSession(ctx, a.DB.Pool(), db.DeleteOperatorSessionParams{ID: caller.SessionID, OperatorID: caller.OperatorID})
	if err != nil {
		return fmt.Errorf("sign an operator out: %w", err)
	}
	return nil
}

// Operator is the caller; NOT_FOUND for callers that are none.
func (a *Accounts) Operator(ctx context.Context, caller Caller) (Operator, error) {
	row, err := a.DB.OperatorByID(ctx, a.DB.Pool(), caller.OperatorID)
	if db.IsNoRows(err) {
		return Operator{}, fault.NotFound("id", "operator")
	}
	if err != nil {
		return Operator{}, fmt.Errorf("find operator %d: %w", caller.OperatorID, err)
	}
	return operatorOf(row), nil
}
