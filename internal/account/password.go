package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/trustelem/zxcvbn"
	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"portico/internal/fault"
)

// The shortest password in characters and the longest in bytes.
const (
	MinPassword      = 12
	MaxPasswordBytes = 128
)

// argon2id with the parameters that OWASP recommends first for 19 MiB of memory.
const (
	argonMemoryKiB = 19 * 1024
	argonPasses    = 2
	argonThreads   = 1
	argonSaltBytes = 16
	argonKeyBytes  = 32
)

// maxHashings bounds the memory of password hashing at about 80 MiB however many cores and sign-ins there are.
const maxHashings = 4

// slots let a bounded number of hashings run at a time. The zero value is ready to use.
type slots struct {
	once sync.Once
	free chan struct{}
}

// take waits for a slot and gives the function that frees it.
func (s *slots) take(ctx context.Context) (release func(), err error) {
	s.once.Do(func() { s.free = make(chan struct{}, min(maxHashings, runtime.GOMAXPROCS(0))) })
	select {
	case s.free <- struct{}{}:
		return func() { <-s.free }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// leastStrength is on zxcvbn's scale: 0 and 1 are what the lists of common passwords, names and keyboard patterns give away.
const leastStrength = 2

// newPassword checks a password that the owner of an address chose.
func newPassword(check *fault.Check, field, password, email string) {
	switch {
	case password == "":
		check.Add(fault.Required(field))
	case !utf8.ValidString(password):
		check.Add(fault.Invalid(field, "is not valid UTF-8"))
	case utf8.RuneCountInString(password) < MinPassword:
		check.Add(fault.Invalid(field, "must have at least %d characters", MinPassword))
	case len(password) > MaxPasswordBytes:
		check.Add(fault.Invalid(field, "must have at most %d bytes", MaxPasswordBytes))
	case strings.EqualFold(strings.TrimSpace(password), strings.TrimSpace(email)):
		check.Add(fault.Invalid(field, "must not be the e-mail address"))
	case zxcvbn.PasswordStrength(password, append(strings.FieldsFunc(email, isSeparator), email)).Score < leastStrength:
		check.Add(fault.Invalid(field, "is too easy to guess: a few words that do not belong together are better"))
	}
}

func isSeparator(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

// hashPassword gives the PHC string that is stored of a password.
func (a *Accounts) hashPassword(ctx context.Context, password string) (string, error) {
	salt := make([]byte, argonSaltBytes)
	_, _ = rand.Read(salt) // never fails: crypto/rand ends the program instead
	key, err := a.argon2id(ctx, password, salt, argonMemoryKiB, argonPasses, argonThreads)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return phc(salt, key), nil
}

func phc(salt, key []byte) string {
	text := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemoryKiB, argonPasses, argonThreads, text(salt), text(key))
}

// dummyHash matches no password and takes as long to check as a real one, so that the time of an answer does not tell whether
// an e-mail address is known.
func dummyHash() string { return phc(make([]byte, argonSaltBytes), make([]byte, argonKeyBytes)) }

// verifyPassword tells whether the password is the one that a PHC string was made of.
func (a *Accounts) verifyPassword(ctx context.Context, stored, password string) (bool, error) {
	var version, memory, passes uint32
	var threads uint8
	parts := strings.Split(stored, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return false, fmt.Errorf("verify a password: the stored hash is not an argon2id PHC string")
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &passes, &threads); err != nil || version != argon2.Version {
		return false, fmt.Errorf("verify a password: the stored hash has no parameters for version %d", argon2.Version)
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	want, keyErr := base64.RawStdEncoding.DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(want) != argonKeyBytes {
		return false, fmt.Errorf("verify a password: the stored hash has no salt or no key of %d bytes", argonKeyBytes)
	}
	got, err := a.argon2id(ctx, password, salt, memory, passes, threads)
	if err != nil {
		return false, fmt.Errorf("verify a password: %w", err)
	}
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// Passwords are compared in NFKC: the same keys give different code points on different systems.
func (a *Accounts) argon2id(ctx context.Context, password string, salt []byte, memoryKiB, passes uint32, threads uint8) ([]byte, error) {
	release, err := a.hashing.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return argon2.IDKey([]byte(norm.NFKC.String(password)), salt, passes, memoryKiB, threads, argonKeyBytes), nil
}
