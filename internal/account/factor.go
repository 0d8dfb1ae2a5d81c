package account

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/secret"
)

const (
	totpIssuer = "Portico"
	totpPeriod = 30 // seconds
	totpDigits = otp.DigitsSix
	// Wrong codes that a holder may give within the time. They are counted, right or wrong, before they are looked at.
	maxGuesses  = 5
	guessWindow = 15 * time.Minute
)

// holder is whose second factor it is, as the column of that name: a member's twice their id, an operator's one more than that.
type holder int64

func memberHolder(id int64) holder { return holder(2 * id) }

func operatorHolder(id int64) holder { return holder(2*id + 1) }

// TOTPIdentity names the secret of a holder's second factor, as Keyring.Seal and Keyring.Open want it.
func TOTPIdentity(of int64) string {
	if of%2 == 0 {
		return fmt.Sprintf("member/%d/totp", of/2)
	}
	return fmt.Sprintf("operator/%d/totp", of/2)
}

func (a *Accounts) sealTOTP(of holder, plain secret.Text) []byte {
	return a.Keys.Seal(TOTPIdentity(int64(of)), plain)
}

// TOTPSecret is what an authenticator app needs (RFC 6238: SHA-1, six digits, 30 seconds).
type TOTPSecret struct {
	URI    secret.Text // otpauth://, as a QR code holds it
	Secret secret.Text // base32, for typing it in
}

func newTOTPSecret(email string) (TOTPSecret, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: totpIssuer, AccountName: email, Period: totpPeriod, Digits: totpDigits})
	if err != nil {
		return TOTPSecret{}, fmt.Errorf("make a TOTP secret: %w", err)
	}
	return TOTPSecret{URI: secret.Text(key.URL()), Secret: secret.Text(key.Secret())}, nil
}

// codeGuess is one attempt at a second factor. It counts as wrong until it is returned.
type codeGuess struct {
	of       holder
	secret   secret.Text
	cipher   []byte
	lastStep int64
}

// takeGuess takes one of the holder's free guesses; none is THROTTLED.
func (a *Accounts) takeGuess(ctx context.Context, tx db.DBTX, h holder) (codeGuess, error) {
	row, err := a.DB.GuessTotp(ctx, tx, db.GuessTotpParams{
		Holder: int64(h), Now: a.Now(), Since: a.Now().Add(-guessWindow), Most: maxGuesses,
	})
	if db.IsNoRows(err) {
		return codeGuess{}, fault.New(fault.CodeThrottled, "", "too many wrong codes: wait %d minutes", int(guessWindow.Minutes()))
	}
	if err != nil {
		return codeGuess{}, fmt.Errorf("take a guess: %w", err)
	}
	plain, err := a.Keys.Open(TOTPIdentity(int64(h)), row.SecretCipher)
	if err != nil {
		return codeGuess{}, fmt.Errorf("open the TOTP secret of holder %d: %w", h, err)
	}
	return codeGuess{of: h, secret: plain, cipher: row.SecretCipher, lastStep: row.LastStep}, nil
}

// step finds the time step that the code is for, of the present one and its neighbours. One that was used, or that is older than
// one that was, does not count.
func (g codeGuess) step(now time.Time, code string) (step int64, found bool) {
	present := now.Unix() / totpPeriod
	for step := present - 1; step <= present+1; step++ {
		matches, err := hotp.ValidateCustom(code, uint64(step), string(g.secret), hotp.ValidateOpts{ //nolint:gosec // after 1970
			Digits: totpDigits, Algorithm: otp.AlgorithmSHA1,
		})
		if err == nil && matches && step > g.lastStep {
			return step, true
		}
	}
	return 0, false
}

// accept uses a time step up and gives the guess back. Somebody else may have been faster with the same code.
func (a *Accounts) accept(ctx context.Context, tx db.DBTX, g codeGuess, step int64) (accepted bool, err error) {
	n, err := a.DB.AcceptTotpStep(ctx, tx, db.AcceptTotpStepParams{Holder: int64(g.of), Step: step, SecretCipher: g.cipher})
	if err != nil {
		return false, fmt.Errorf("use a TOTP code up: %w", err)
	}
	if n == 0 {
		return false, nil
	}
	return true, a.returnGuess(ctx, tx, g)
}

func (a *Accounts) returnGuess(ctx context.Context, tx db.DBTX, g codeGuess) error {
	if err := a.DB.ReturnGuess(ctx, tx, int64(g.of)); err != nil {
		return fmt.Errorf("give a guess back: %w", err)
	}
	return nil
}

// redeem uses a recovery code up.
func (a *Accounts) redeem(ctx context.Context, tx db.DBTX, g codeGuess, code string) (accepted bool, err error) {
	n, err := a.DB.UseRecoveryCode(ctx, tx, db.UseRecoveryCodeParams{Holder: int64(g.of), CodeHash: a.recoveryHash(g.of, code)})
	if err != nil {
		return false, fmt.Errorf("use a recovery code up: %w", err)
	}
	if n == 0 {
		return false, nil
	}
	return true, a.returnGuess(ctx, tx, g)
}

// recoveryHash binds a code to its holder. Spaces, hyphens, and upper and lower case do not count.
func (a *Accounts) recoveryHash(of holder, code string) []byte {
	plain := strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(code))
	return a.Keys.Hash(secret.Text(fmt.Sprintf("%s/recovery_code/%s", TOTPIdentity(int64(of)), plain)))
}
