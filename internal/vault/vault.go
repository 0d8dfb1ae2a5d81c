// Package vault owns the keys of an installation: that a process has the right ones, and the rotation of what older ones have sealed.
package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"

	"portico/db"
	"portico/internal/secret"
)

// Vault performs the operations of this package.
type Vault struct {
	DB   *db.DB
	Keys *secret.Keyring
	Jobs *river.Client[pgx.Tx] // inserts only
	Now  func() time.Time
	Log  *slog.Logger
}

// ErrWrongPepper is returned for a pepper that is not the one that the stored hashes were made with.
var ErrWrongPepper = errors.New("PORTICO_PEPPER is not the one that this database was started with: " +
	"no API key, session or other credential would be recognised; set the one that it was started with")

// Admit makes sure that the process has the pepper and every key that may have sealed something in this database, before it touches
// anything. The first process to come sets the pepper; each key is noted when it is first the one that seals.
func (v *Vault) Admit(ctx context.Context) error {
	if err := v.admitPepper(ctx); err != nil {
		return err
	}
	return v.admitKeys(ctx)
}

func (v *Vault) admitPepper(ctx context.Context) error {
	hash := v.Keys.Hash("the pepper of this installation")
	if err := v.DB.InsertInstallation(ctx, v.DB.Pool(), db.InsertInstallationParams{PepperHash: hash, CreatedAt: v.Now()}); err != nil {
		return fmt.Errorf("set the pepper: %w", err)
	}
	stored, err := v.DB.PepperHash(ctx, v.DB.Pool())
	if err != nil {
		return fmt.Errorf("read the pepper's hash: %w", err)
	}
	if string(stored) != string(hash) {
		return ErrWrongPepper
	}
	return nil
}

func (v *Vault) admitKeys(ctx context.Context) error {
	known, err := v.proveKeys(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(known, func(k db.EncryptionKey) bool { return k.Version == int16(v.Keys.First()) }) {
		return nil
	}
	return v.note(ctx)
}

// note has every process asked for the key that seals from now on. Another process may have noted another key of this version since
// the keys were proved, so they are proved again.
func (v *Vault) note(ctx context.Context) error {
	version := int16(v.Keys.First())
	err := v.DB.InsertEncryptionKey(ctx, v.DB.Pool(), db.InsertEncryptionKeyParams{
		Version: version, CanaryCipher: v.Keys.Seal(canaryIdentity(version), canary), CreatedAt: v.Now(),
	})
	if err != nil {
		return fmt.Errorf("note encryption key %d: %w", version, err)
	}
	_, err = v.proveKeys(ctx)
	return err
}

// proveKeys makes sure that the ring has every key that is noted.
func (v *Vault) proveKeys(ctx context.Context) ([]db.EncryptionKey, error) {
	known, err := v.DB.EncryptionKeys(ctx, v.DB.Pool())
	if err != nil {
		return nil, fmt.Errorf("list the encryption keys: %w", err)
	}
	for _, key := range known {
		if err := v.proves(key); err != nil {
			return nil, err
		}
	}
	return known, nil
}

// proves tells what is wrong when the ring does not have the key.
func (v *Vault) proves(key db.EncryptionKey) error {
	if !v.Keys.Has(byte(key.Version)) { //nolint:gosec // a constraint keeps it between 1 and 255
		return fmt.Errorf("PORTICO_KEYS lacks the key of version %d, which stored secrets are sealed with: add it, "+
			"or rotate to another key while it is there (portico key rotate)", key.Version)
	}
	if _, err := v.Keys.Open(canaryIdentity(key.Version), key.CanaryCipher); err != nil {
		return fmt.Errorf("PORTICO_KEYS has another key of version %d than the one that stored secrets are sealed with: set that one, "+
			"and give a new key a version of its own (portico key new)", key.Version)
	}
	return nil
}

const canary = "the canary of this key"

func canaryIdentity(version int16) string {
	return "encryption_key/" + strconv.Itoa(int(version)) + "/canary"
}
