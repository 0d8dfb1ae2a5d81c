package access

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/secret"
)

// How signing keys succeed one another. A key is published long before it signs, so that every cache of the published keys has it by
// then, and for as long as a token that it has signed may be valid.
const (
	KeySignsFor     = 30 * 24 * time.Hour
	KeyPublishAhead = 24 * time.Hour
	// How long a key that is rolled by hand is published before it signs: twice what the published keys may be cached for.
	KeyRollAhead = 10 * time.Minute
	// A process may sign with a key for a moment after its successor has begun to, until it reads the keys again.
	keyMemory = 10 * time.Second
	keyLinger = MaxAccessTTL + 5*time.Minute
)

// SigningKey is a key that signs access tokens, of all merchants. The private half is stored sealed.
type SigningKey struct {
	ID        int64
	KID       string
	Algorithm string // ES256 or EdDSA
	CreatedAt time.Time
	SignsFrom time.Time // until the next key of the algorithm does
	RevokedAt *time.Time

	public crypto.PublicKey
	cipher []byte
}

// SigningKeyIdentity names the column that holds a private key, as Keyring.Seal and Keyring.Open want it.
func SigningKeyIdentity(id int64) string { return fmt.Sprintf("signing_key/%d/private_key", id) }

func signingKeyOf(row db.SigningKey) (SigningKey, error) {
	public, err := x509.ParsePKIXPublicKey(row.PublicKey)
	if err != nil {
		return SigningKey{}, fmt.Errorf("read signing key %s: %w", row.Kid, err)
	}
	return SigningKey{
		ID: row.ID, KID: row.Kid, Algorithm: row.Algorithm, CreatedAt: row.CreatedAt, SignsFrom: row.SignsFrom, RevokedAt: row.RevokedAt,
		public: public, cipher: row.PrivateKeyCipher,
	}, nil
}

func (a *Access) readSigningKeys(ctx context.Context, tx db.DBTX) ([]SigningKey, error) {
	rows, err := a.DB.SigningKeys(ctx, tx)
	if err != nil {
		return nil, fmt.Errorf("read the signing keys: %w", err)
	}
	keys := make([]SigningKey, len(rows))
	for i, row := range rows {
		if keys[i], err = signingKeyOf(row); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// SigningKeys are all that there are, each algorithm's in the order in which they sign.
func (a *Access) SigningKeys(ctx context.Context) ([]SigningKey, error) {
	return a.readSigningKeys(ctx, a.DB.System())
}

// Signs tells whether the key is the one of its algorithm, among all keys in their order, that signs at a time.
func (k SigningKey) Signs(all []SigningKey, now time.Time) bool {
	signer, found := signerOf(all, k.Algorithm, now)
	return found && signer.ID == k.ID
}

// signerOf is the last of an algorithm's keys that has begun to sign.
func signerOf(keys []SigningKey, algorithm string, now time.Time) (signer SigningKey, found bool) {
	for _, key := range keys {
		if key.Algorithm == algorithm && key.RevokedAt == nil && !now.Before(key.SignsFrom) {
			signer, found = key, true
		}
	}
	return signer, found
}

// succession is what is to be done about the keys of one algorithm, which are in the order in which they sign: when a new one is to begin
// to sign, if there is to be one, and which are of no use any more.
func succession(keys []SigningKey, now time.Time) (next *time.Time, useless []int64) {
	usable := slices.DeleteFunc(slices.Clone(keys), func(k SigningKey) bool { return k.RevokedAt != nil })
	switch n := len(usable); {
	case n == 0 || now.Before(usable[0].SignsFrom):
		next = &now // nothing signs
	case !now.Before(usable[n-1].SignsFrom.Add(KeySignsFor - KeyPublishAhead)):
		begins := usable[n-1].SignsFrom.Add(KeySignsFor)
		if soonest := now.Add(KeyPublishAhead); begins.Before(soonest) {
			begins = soonest
		}
		next = &begins
	}
	for i, key := range usable {
		if i+1 < len(usable) && !now.Before(usable[i+1].SignsFrom.Add(keyLinger)) {
			useless = append(useless, key.ID)
		}
	}
	for _, key := range keys {
		if key.RevokedAt != nil && !now.Before(key.RevokedAt.Add(keyLinger)) {
			useless = append(useless, key.ID)
		}
	}
	return next, useless
}

// SigningKeysRotate makes the keys that are needed soon and deletes those that no valid token needs. Doing so again changes nothing.
func (a *Access) SigningKeysRotate(ctx context.Context) error {
	return a.changeSigningKeys(ctx, func(context.Context, pgx.Tx, time.Time) error { return nil })
}

// SigningKeysRoll makes keys that sign after a while, which is KeyRollAhead for every app to know them by then, or 0. Those that have
// signed until then stay published for their tokens.
func (a *Access) SigningKeysRoll(ctx context.Context, ahead time.Duration) error {
	return a.changeSigningKeys(ctx, func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		for _, algorithm := range catalog.AccessTokenAlgorithms() {
			if err := a.makeSigningKey(ctx, tx, algorithm, now, now.Add(ahead)); err != nil {
				return err
			}
		}
		return nil
	})
}

// SigningKeyRevoke ends a key with all tokens that it has signed: it is published no more, and nothing that it has signed is valid. If it
// was the one that signs, another signs at once. Answers the key's id. NOT_FOUND on kid.
func (a *Access) SigningKeyRevoke(ctx context.Context, kid string) (id int64, err error) {
	err = a.changeSigningKeys(ctx, func(ctx context.Context, tx pgx.Tx, now time.Time) error {
		id, err = a.DB.RevokeSigningKey(ctx, tx, db.RevokeSigningKeyParams{Kid: kid, RevokedAt: &now})
		if db.IsNoRows(err) {
			return fault.NotFound("kid", "signing key")
		}
		return err
	})
	return id, err
}

// changeSigningKeys changes the keys, and sees to it afterwards that there are those that are needed.
func (a *Access) changeSigningKeys(ctx context.Context, change func(context.Context, pgx.Tx, time.Time) error) error {
	err := a.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		if err := a.DB.LockSigningKeys(ctx, tx); err != nil {
			return err
		}
		now := a.Now()
		if err := change(ctx, tx, now); err != nil {
			return err
		}
		keys, err := a.readSigningKeys(ctx, tx)
		if err != nil {
			return err
		}
		for _, algorithm := range catalog.AccessTokenAlgorithms() {
			of := slices.DeleteFunc(slices.Clone(keys), func(k SigningKey) bool { return k.Algorithm != algorithm })
			next, useless := succession(of, now)
			if err := a.DB.DeleteSigningKeys(ctx, tx, useless); err != nil {
				return err
			}
			if next == nil {
				continue
			}
			if err := a.makeSigningKey(ctx, tx, algorithm, now, *next); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("change the signing keys: %w", err)
	}
	a.signing.forget()
	return nil
}

func (a *Access) makeSigningKey(ctx context.Context, tx pgx.Tx, algorithm string, now, signsFrom time.Time) error {
	private, err := newPrivateKey(algorithm)
	if err != nil {
		return err
	}
	plain, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		return err
	}
	id, err := a.DB.NextSigningKeyID(ctx, tx)
	if err != nil {
		return err
	}
	return a.DB.InsertSigningKey(ctx, tx, db.InsertSigningKeyParams{
		ID: id, Kid: rand.Text(), Algorithm: algorithm, PublicKey: public, CreatedAt: now, SignsFrom: signsFrom,
		PrivateKeyCipher: a.Keys.Seal(SigningKeyIdentity(id), secret.Text(base64.StdEncoding.EncodeToString(plain))),
	})
}

func newPrivateKey(algorithm string) (crypto.Signer, error) {
	if algorithm == catalog.EdDSA {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

func (a *Access) privateKey(key SigningKey) (crypto.PrivateKey, error) {
	opened, err := a.Keys.Open(SigningKeyIdentity(key.ID), key.cipher)
	if err != nil {
		return nil, err
	}
	plain, err := base64.StdEncoding.DecodeString(string(opened))
	if err != nil {
		return nil, err
	}
	return x509.ParsePKCS8PrivateKey(plain)
}

// keyring is what a process remembers of the signing keys, for a moment.
type keyring struct {
	mu      sync.Mutex
	keys    []SigningKey
	readAt  time.Time
	private map[int64]crypto.PrivateKey
}

func (k *keyring) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.readAt = time.Time{}
}

// current are the signing keys as they were a moment ago at most. Where there are none for an algorithm yet, they are made.
func (a *Access) current(ctx context.Context) ([]SigningKey, error) {
	keys, err := a.remembered(ctx)
	if err != nil {
		return nil, err
	}
	for _, algorithm := range catalog.AccessTokenAlgorithms() {
		if _, found := signerOf(keys, algorithm, a.Now()); !found {
			if err := a.SigningKeysRotate(ctx); err != nil {
				return nil, err
			}
			return a.remembered(ctx)
		}
	}
	return keys, nil
}

func (a *Access) remembered(ctx context.Context) ([]SigningKey, error) {
	k := &a.signing
	k.mu.Lock()
	defer k.mu.Unlock()
	now := a.Now()
	if age := now.Sub(k.readAt); age >= 0 && age < keyMemory {
		return k.keys, nil
	}
	keys, err := a.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	k.keys, k.readAt, k.private = keys, now, map[int64]crypto.PrivateKey{}
	return keys, nil
}

// signer is the key that signs now, with its private half.
func (a *Access) signer(ctx context.Context, algorithm string) (SigningKey, crypto.PrivateKey, error) {
	keys, err := a.current(ctx)
	if err != nil {
		return SigningKey{}, nil, err
	}
	key, found := signerOf(keys, algorithm, a.Now())
	if !found {
		return SigningKey{}, nil, fmt.Errorf("there is no key that signs %s", algorithm)
	}
	k := &a.signing
	k.mu.Lock()
	defer k.mu.Unlock()
	if private, known := k.private[key.ID]; known {
		return key, private, nil
	}
	private, err := a.privateKey(key)
	if err != nil {
		return SigningKey{}, nil, fmt.Errorf("open signing key %s: %w", key.KID, err)
	}
	k.private[key.ID] = private
	return key, private, nil
}

// JWK is a public key as RFC 7517 writes it.
type JWK struct {
	KeyType   string `json:"kty"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	Y         string `json:"y,omitempty"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	KID       string `json:"kid"`
}

// PublicKeys are those that a valid token may be signed with, now or soon.
func (a *Access) PublicKeys(ctx context.Context) ([]JWK, error) {
	keys, err := a.current(ctx)
	if err != nil {
		return nil, err
	}
	published := []JWK{}
	for _, key := range keys {
		if key.RevokedAt != nil {
			continue
		}
		jwk, err := key.jwk()
		if err != nil {
			return nil, err
		}
		published = append(published, jwk)
	}
	return published, nil
}

func (k SigningKey) jwk() (JWK, error) {
	jwk := JWK{Use: "sig", Algorithm: k.Algorithm, KID: k.KID}
	text := base64.RawURLEncoding.EncodeToString
	switch public := k.public.(type) {
	case ed25519.PublicKey:
		jwk.KeyType, jwk.Curve, jwk.X = "OKP", "Ed25519", text(public)
	case *ecdsa.PublicKey:
		point, err := public.Bytes() // 4, x, y
		if err != nil {
			return JWK{}, fmt.Errorf("write signing key %s: %w", k.KID, err)
		}
		half := (len(point) - 1) / 2
		jwk.KeyType, jwk.Curve, jwk.X, jwk.Y = "EC", "P-256", text(point[1:1+half]), text(point[1+half:])
	default:
		return JWK{}, fmt.Errorf("signing key %s is of another kind than %s", k.KID, k.Algorithm)
	}
	return jwk, nil
}
