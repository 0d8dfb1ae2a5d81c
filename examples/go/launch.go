package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// user is whom a launch token names, and what the subscription allowed when it was made.
type user struct {
	UserID       int64  `json:"userId"`
	Email        string `json:"email"`
	Name         string `json:"name"`
	CompanyID    int64  `json:"companyId"`
	CompanyName  string `json:"companyName"`
	Subscription struct {
		Tier     string         `json:"tier"`
		Features map[string]any `json:"features"`
	} `json:"subscription"`
}

// claims are the names of a launch token.
type claims struct {
	user
	jwt.RegisteredClaims
}

// launcher verifies launch tokens, and takes each of them once: a link that is seen by others opens nothing.
type launcher struct {
	secret []byte
	parser func(now time.Time) *jwt.Parser

	mu   sync.Mutex
	used map[string]time.Time // ids of tokens, and when they expire
}

func newLauncher(secret, product string) *launcher {
	return &launcher{secret: []byte(secret), used: map[string]time.Time{}, parser: func(now time.Time) *jwt.Parser {
		return jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithAudience(product), jwt.WithExpirationRequired(),
			jwt.WithTimeFunc(func() time.Time { return now }))
	}}
}

// verify fails for a token that is not ours, is for another product, has expired or was used before.
func (l *launcher) verify(token string, now time.Time) (user, error) {
	var c claims
	_, err := l.parser(now).ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return l.secret, nil })
	if err != nil {
		return user{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, expiry := range l.used {
		if expiry.Before(now) {
			delete(l.used, id)
		}
	}
	if _, used := l.used[c.ID]; used {
		return user{}, errors.New("the token was used before")
	}
	l.used[c.ID] = c.ExpiresAt.Time
	return c.user, nil
}

func newSessionID() string {
	id := make([]byte, 24)
	_, _ = rand.Read(id) // it never fails
	return base64.RawURLEncoding.EncodeToString(id)
}
