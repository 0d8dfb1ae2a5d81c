package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// accessClaims are the names of an access token.
type accessClaims struct {
	Claims map[string]any `json:"claims"`
	Access struct {
		Allowed bool `json:"allowed"`
	} `json:"access"`
	jwt.RegisteredClaims
}

// issuer verifies access tokens with the keys that Portico publishes, without asking about any of them.
type issuer struct {
	portico, name, product string

	mu   sync.Mutex
	keys map[string]*ecdsa.PublicKey
	read time.Time
}

// Keys are kept for as long as they are said to be good for, and read again for one that is not known, but not for every forged token.
const (
	keysAreGood = 5 * time.Minute
	keysAtMost  = 30 * time.Second
)

// verify fails for a token that is not ours, is of another shop, is for another product or has expired.
func (i *issuer) verify(ctx context.Context, token string, now time.Time) (accessClaims, error) {
	var c accessClaims
	_, err := jwt.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		return i.key(ctx, id, now)
	}, jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(i.name), jwt.WithAudience(i.product), jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(func() time.Time { return now }))
	return c, err
}

func (i *issuer) key(ctx context.Context, id string, now time.Time) (*ecdsa.PublicKey, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	age := now.Sub(i.read)
	if age > keysAreGood || (i.keys[id] == nil && age > keysAtMost) {
		// While they cannot be read, those that are known do.
		i.read = now
		if keys, err := i.published(ctx); err == nil {
			i.keys = keys
		} else if i.keys[id] == nil {
			return nil, err
		}
	}
	if key := i.keys[id]; key != nil {
		return key, nil
	}
	return nil, fmt.Errorf("no key %q is published", id)
}

func (i *issuer) published(ctx context.Context) (map[string]*ecdsa.PublicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, i.portico+"/.well-known/jwks.json", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read the published keys: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var set struct {
		Keys []struct{ Kid, Alg, X, Y string }
	}
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil {
		return nil, fmt.Errorf("read the published keys: %w", err)
	}
	keys := map[string]*ecdsa.PublicKey{}
	for _, k := range set.Keys {
		if k.Alg != "ES256" {
			continue
		}
		x, errX := base64.RawURLEncoding.DecodeString(k.X)
		y, errY := base64.RawURLEncoding.DecodeString(k.Y)
		if errX != nil || errY != nil {
			continue
		}
		if key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...)); err == nil {
			keys[k.Kid] = key
		}
	}
	return keys, nil
}
