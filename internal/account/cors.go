package account

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
)

const (
	maxOrigins      = 20
	maxOriginLength = 255
	// Browsers ask for each page; a registration may take as long to be noticed by other processes.
	rememberOrigins = 30 * time.Second
	maxSeenOrigins  = 4096
)

// CorsOrigins are those whose pages may call the API for the caller's merchant, in alphabetical order.
func (a *Accounts) CorsOrigins(ctx context.Context, caller Caller) ([]string, error) {
	origins, err := a.DB.CorsOrigins(ctx, a.DB.Tenant(caller.MerchantID), caller.MerchantID)
	if err != nil {
		return nil, fmt.Errorf("list origins: %w", err)
	}
	return origins, nil
}

// CorsOriginsUpdate replaces the origins whose pages may call the API for the caller's merchant: at most 20, https, or http on this machine.
func (a *Accounts) CorsOriginsUpdate(ctx context.Context, caller Caller, origins []string) ([]string, error) {
	var check fault.Check
	if len(origins) > maxOrigins {
		check.Add(fault.Invalid("origins", "must be at most %d", maxOrigins))
		return nil, check.Err()
	}
	for i, origin := range origins {
		check.Add(checkOrigin("origins."+strconv.Itoa(i), origin))
	}
	if err := check.Err(); err != nil {
		return nil, err
	}
	origins = slices.Compact(slices.Sorted(slices.Values(origins)))
	err := a.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		if _, err := a.DB.LockCorsOrigins(ctx, tx, caller.MerchantID); err != nil {
			return err
		}
		if err := a.DB.DeleteCorsOrigins(ctx, tx, caller.MerchantID); err != nil {
			return err
		}
		return a.DB.InsertCorsOrigins(ctx, tx, db.InsertCorsOriginsParams{MerchantID: caller.MerchantID, Origins: origins})
	})
	if err != nil {
		return nil, fmt.Errorf("update origins: %w", err)
	}
	a.origins.forget()
	return origins, nil
}

// checkOrigin wants an origin as browsers write it, since it is compared as text.
func checkOrigin(field, text string) *fault.Error {
	origin, err := url.Parse(text)
	if err != nil || len(text) > maxOriginLength || origin.Host == "" || origin.Port() == defaultPort(origin.Scheme) ||
		text != origin.Scheme+"://"+strings.ToLower(origin.Host) || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || r == '*' }) {
		return fault.Invalid(field, "must be an origin such as https://app.example.com: in lower case, without a path, a default port or wildcards")
	}
	if origin.Scheme == "https" || (origin.Scheme == "http" && isOwnMachine(origin.Hostname())) {
		return nil
	}
	return fault.Invalid(field, "must be https, or http on localhost")
}

func defaultPort(scheme string) string {
	switch scheme {
	case "https":
		return "443"
	case "http":
		return "80"
	}
	return "0"
}

func isOwnMachine(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && net.IP(address.AsSlice()).IsLoopback())
}

// AllowsOrigin tells whether a merchant lets pages of an origin call the API; with no merchant (0), whether any does. What was
// changed by another process is noticed within half a minute.
func (a *Accounts) AllowsOrigin(ctx context.Context, merchantID int64, origin string) (bool, error) {
	if wrong := checkOrigin("", origin); wrong != nil {
		return false, nil //nolint:nilerr // nobody can have registered it
	}
	key, now := seenOrigin{merchantID, origin}, a.Now()
	if allowed, seen := a.origins.get(key, now); seen {
		return allowed, nil
	}
	var allowed bool
	var err error
	if merchantID == 0 {
		allowed, err = a.DB.CorsOriginOfAnybody(ctx, a.DB.System(), origin)
	} else {
		allowed, err = a.DB.CorsOriginOfMerchant(ctx, a.DB.Tenant(merchantID), db.CorsOriginOfMerchantParams{MerchantID: merchantID, Origin: origin})
	}
	if err != nil {
		return false, fmt.Errorf("look an origin up: %w", err)
	}
	a.origins.put(key, allowed, now.Add(rememberOrigins))
	return allowed, nil
}

// seenOrigins are the answers to who allows which origin.
type seenOrigins struct {
	mu      sync.Mutex
	answers map[seenOrigin]seenAnswer
}

type seenOrigin struct {
	merchantID int64
	origin     string
}

type seenAnswer struct {
	allowed bool
	until   time.Time
}

func (s *seenOrigins) get(key seenOrigin, now time.Time) (allowed, seen bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer, seen := s.answers[key]
	return answer.allowed, seen && now.Before(answer.until)
}

// put remembers an answer. When there are too many, all are forgotten.
func (s *seenOrigins) put(key seenOrigin, allowed bool, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers == nil || len(s.answers) >= maxSeenOrigins {
		s.answers = map[seenOrigin]seenAnswer{}
	}
	s.answers[key] = seenAnswer{allowed, until}
}

func (s *seenOrigins) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = nil
}
