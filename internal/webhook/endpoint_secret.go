package webhook

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/secret"
)

// maxSecretOverlap is the longest that a new secret may wait, in seconds.
const maxSecretOverlap = 7 * 24 * 60 * 60

// signing is what an endpoint's requests are signed with: a secret that its receiver shares, and a key of which it knows the public half.
type signing struct {
	secret secret.Text
	seed   secret.Text // base64 of the 32 bytes that RFC 8032 calls the private key
	public ed25519.PublicKey
}

func newSigning() (signing, error) {
	text, err := NewSecret()
	if err != nil {
		return signing{}, err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return signing{}, err
	}
	return signing{secret.Text(text), secret.Text(base64.StdEncoding.EncodeToString(private.Seed())), public}, nil
}

// signer is a secret and a key that are opened.
type signer struct {
	secret secret.Text
	key    ed25519.PrivateKey // nil for an endpoint from before there were any
}

func (w *Webhooks) openSigner(endpointID int64, sealedSecret, sealedKey []byte) (signer, error) {
	var s signer
	var err error
	if s.secret, err = w.Keys.Open(SecretIdentity(endpointID), sealedSecret); err != nil {
		return s, fmt.Errorf("open the secret of endpoint %d: %w", endpointID, err)
	}
	if sealedKey == nil {
		return s, nil
	}
	text, err := w.Keys.Open(SigningKeyIdentity(endpointID), sealedKey)
	if err != nil {
		return s, fmt.Errorf("open the signing key of endpoint %d: %w", endpointID, err)
	}
	seed, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil || len(seed) != ed25519.SeedSize {
		return s, fmt.Errorf("the signing key of endpoint %d is not base64 of %d bytes", endpointID, ed25519.SeedSize)
	}
	s.key = ed25519.NewKeyFromSeed(seed)
	return s, nil
}

// standardSignatures is the header webhook-signature: one of each kind for each signer.
func standardSignatures(signers []signer, id string, at time.Time, body []byte) (string, error) {
	var all []string
	for _, s := range signers {
		one, err := StandardSignature(string(s.secret), id, at, body)
		if err != nil {
			return "", err
		}
		all = append(all, one)
	}
	for _, s := range signers {
		if s.key != nil {
			all = append(all, AsymmetricSignature(s.key, id, at, body))
		}
	}
	return strings.Join(all, " "), nil
}

// EndpointRollSecret makes a new secret, which is not shown again, and a new signing key. They wait until EndpointActivateSecret or
// until the overlap, in seconds, is over; meanwhile webhook-signature has signatures of both, and x-portal-signature one of the old
// secret. Without an overlap they sign alone at once. A new secret that was still waiting gives way. Faults: NOT_FOUND on id, INVALID
// on overlapSeconds.
func (w *Webhooks) EndpointRollSecret(ctx context.Context, merchantID, id int64, overlap int32) (Endpoint, secret.Text, error) {
	if overlap < 0 || overlap > maxSecretOverlap {
		return Endpoint{}, "", fault.Invalid("overlapSeconds", "must be between 0 and %d", maxSecretOverlap)
	}
	made, err := newSigning()
	if err != nil {
		return Endpoint{}, "", fmt.Errorf("make a signing secret: %w", err)
	}
	e, err := w.changeEndpoint(ctx, merchantID, id, func(tx pgx.Tx, _ db.WebhookEndpoint) error {
		now := w.Now()
		return w.DB.RollEndpointSecret(ctx, tx, db.RollEndpointSecretParams{
			MerchantID: merchantID, ID: id, Now: now, NextSecretAt: now.Add(time.Duration(overlap) * time.Second),
			NextSecretCipher:     w.Keys.Seal(SecretIdentity(id), made.secret),
			NextSigningKeyCipher: w.Keys.Seal(SigningKeyIdentity(id), made.seed), NextPublicKey: made.public,
		})
	})
	if err != nil {
		return Endpoint{}, "", fmt.Errorf("roll the secret of endpoint %d: %w", id, err)
	}
	return e, made.secret, nil
}

// EndpointActivateSecret has the new secret and the new key sign alone from now on. Where none is waiting it changes nothing. Fault:
// NOT_FOUND on id.
func (w *Webhooks) EndpointActivateSecret(ctx context.Context, merchantID, id int64) (Endpoint, error) {
	e, err := w.changeEndpoint(ctx, merchantID, id, func(tx pgx.Tx, _ db.WebhookEndpoint) error {
		return w.DB.ActivateEndpointSecret(ctx, tx, db.ActivateEndpointSecretParams{MerchantID: merchantID, ID: id})
	})
	if err != nil {
		return Endpoint{}, fmt.Errorf("activate the secret of endpoint %d: %w", id, err)
	}
	return e, nil
}

// SecretIdentity names the column that holds an endpoint's signing secret, as Keyring.Seal and Keyring.Open want it.
func SecretIdentity(endpointID int64) string {
	return "webhook_endpoint/" + strconv.FormatInt(endpointID, 10) + "/secret"
}

// SigningKeyIdentity names the column that holds an endpoint's ed25519 key, as Keyring.Seal and Keyring.Open want it.
func SigningKeyIdentity(endpointID int64) string {
	return "webhook_endpoint/" + strconv.FormatInt(endpointID, 10) + "/signing_key"
}

// publicKeyText is a public key as Standard Webhooks writes it.
func publicKeyText(key []byte) *string {
	if key == nil {
		return nil
	}
	text := publicKeyPrefix + base64.StdEncoding.EncodeToString(key)
	return &text
}
