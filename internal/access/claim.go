package access

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/webhook"
)

// The bounds of what a merchant sets for one customer in one product. Sizes are those of JSON text.
const (
	MaxClaims          = 50
	MaxClaimValueBytes = 1 << 10
	MaxClaimsBytes     = 8 << 10
)

// ClaimSource says who a claim comes from.
type ClaimSource string

// The sources of claims, as in the schema's ClaimSource.
const (
	FromMerchant     ClaimSource = "MERCHANT"
	FromSubscription ClaimSource = "SUBSCRIPTION" // where the merchant has set none
)

// Claim is something that is said of a customer in one product.
type Claim struct {
	Key       string
	Value     json.RawMessage // a string, number or boolean as JavaScript writes it
	ExpiresAt *time.Time      // in the time of the customer's test clock, if it has one
	Source    ClaimSource
}

// CustomerClaims are what is said of a customer in one product at present.
type CustomerClaims struct {
	MerchantID        int64
	CustomerID        int64
	CustomerNumber    int64
	ProductID         int64
	ProductIdentifier string
	Version           int64 // counts the changes to what the merchant has set; 0 before the first
	UpdatedAt         *time.Time
	Claims            []Claim // by key
}

// Object are the claims as tokens and events hold them.
func (c CustomerClaims) Object() webhook.Object {
	object := make(webhook.Object, len(c.Claims))
	for i, claim := range c.Claims {
		object[i] = webhook.Member{Key: claim.Key, Value: claim.Value}
	}
	return object
}

var claimKey = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.:-]{0,63}$`)

// What a payload means by itself, so that an app that spreads claims over one is not misled; and what every JavaScript object has.
const reservedClaims = " iss sub aud exp nbf iat jti claims claimsversion access customerid shop constructor prototype "

func checkClaimKey(key string) string {
	switch lower := strings.ToLower(key); {
	case !claimKey.MatchString(key):
		return "must be a letter followed by at most 63 letters, digits and the characters _ . : -"
	case strings.HasPrefix(lower, "portico"), strings.Contains(reservedClaims, " "+lower+" "):
		return "is reserved"
	}
	return ""
}

// claimValue checks a value and gives it as JavaScript writes it.
func claimValue(raw json.RawMessage) (json.RawMessage, string) {
	if raw[0] == '{' || raw[0] == '[' {
		return nil, "must be a string, a number or a boolean, or null to delete it"
	}
	written, err := webhook.StableJSON(raw)
	switch {
	case err != nil:
		return nil, "must be a string, a number or a boolean, or null to delete it"
	case written[0] == '"' && raw[0] != '"':
		return nil, "is a number that JavaScript cannot hold exactly: send it as a string"
	case len(written) > MaxClaimValueBytes:
		return nil, fmt.Sprintf("must have at most %d bytes as JSON", MaxClaimValueBytes)
	}
	return written, ""
}

// keptClaim is a claim in its document.
type keptClaim struct {
	Value     json.RawMessage `json:"value"`
	ExpiresAt *time.Time      `json:"expiresAt,omitempty"`
}

func (c *keptClaim) same(other *keptClaim) bool {
	if c == nil || other == nil {
		return c == other
	}
	never := c.ExpiresAt == nil || other.ExpiresAt == nil
	return string(c.Value) == string(other.Value) &&
		((never && c.ExpiresAt == other.ExpiresAt) || (!never && c.ExpiresAt.Equal(*other.ExpiresAt)))
}

func (c *keptClaim) ended(now time.Time) bool { return c.ExpiresAt != nil && !now.Before(*c.ExpiresAt) }

// claimant is a customer in one product, with what is said of it there.
type claimant struct {
	row     db.ClaimSubjectsRow
	version int64
	kept    map[string]*keptClaim
}

// claimed is one key that has changed: without a value before it is new, without one after it is gone.
type claimed struct {
	key           string
	before, after *keptClaim
	expired       bool
}

func claimantOf(row db.ClaimSubjectsRow) (*claimant, error) {
	c := &claimant{row: row, kept: map[string]*keptClaim{}}
	if row.Version == nil {
		return c, nil
	}
	c.version = *row.Version
	if err := json.Unmarshal(row.Claims, &c.kept); err != nil {
		return nil, fmt.Errorf("read the claims of customer %d in product %d: %w", row.CustomerID, row.ProductID, err)
	}
	for key, claim := range c.kept {
		// jsonb has its own way to write numbers and strings.
		written, wrong := claimValue(claim.Value)
		if wrong != "" {
			return nil, fmt.Errorf("read claim %s of customer %d in product %d: it %s", key, row.CustomerID, row.ProductID, wrong)
		}
		claim.Value = written
	}
	return c, nil
}

// expire takes away what has ended.
func (c *claimant) expire() []claimed {
	var changed []claimed
	for _, key := range slices.Sorted(maps.Keys(c.kept)) {
		if claim := c.kept[key]; claim.ended(c.row.NowAt) {
			changed = append(changed, claimed{key: key, before: claim, expired: true})
			delete(c.kept, key)
		}
	}
	return changed
}

// apply merges a patch, in which a key without a claim is deleted, and tells what it has changed.
func (c *claimant) apply(patch map[string]*keptClaim) ([]claimed, error) {
	var check fault.Check
	changed := c.expire()
	for _, key := range slices.Sorted(maps.Keys(patch)) {
		before, after := c.kept[key], patch[key]
		if after != nil && after.ended(c.row.NowAt) {
			check.Add(&fault.Error{Code: fault.CodeInvalid, Field: []string{"claims", key}, Message: "must expire in the future"})
		}
		if before.same(after) {
			continue
		}
		changed = append(changed, claimed{key: key, before: before, after: after})
		if c.kept[key] = after; after == nil {
			delete(c.kept, key)
		}
	}
	check.Add(c.tooLarge())
	return changed, check.Err()
}

func (c *claimant) tooLarge() *fault.Error {
	if len(c.kept) > MaxClaims {
		return fault.Invalid("claims", "would be more than %d", MaxClaims)
	}
	size := len("{}")
	for key, claim := range c.kept {
		size += len(strconv.Quote(key)) + len(":,") + len(claim.Value)
	}
	if size > MaxClaimsBytes {
		return fault.Invalid("claims", "would be more than %d bytes together, as JSON", MaxClaimsBytes)
	}
	return nil
}

// nextExpiry is when the first claim ends, nil when none does.
func (c *claimant) nextExpiry() *time.Time {
	var next *time.Time
	for _, claim := range c.kept {
		if claim.ExpiresAt != nil && (next == nil || claim.ExpiresAt.Before(*next)) {
			next = claim.ExpiresAt
		}
	}
	return next
}

// claims are those of the merchant that have not ended, and those of the subscription where the merchant has set none.
func (c *claimant) claims() CustomerClaims {
	said := c.ofSubscription()
	for key, claim := range c.kept {
		if !claim.ended(c.row.NowAt) {
			said[key] = Claim{Key: key, Value: claim.Value, ExpiresAt: inUTC(claim.ExpiresAt), Source: FromMerchant}
		}
	}
	all := make([]Claim, 0, len(said))
	for _, key := range slices.Sorted(maps.Keys(said)) {
		all = append(all, said[key])
	}
	return CustomerClaims{
		MerchantID: c.row.MerchantID, CustomerID: c.row.CustomerID, CustomerNumber: c.row.Number, ProductID: c.row.ProductID,
		ProductIdentifier: c.row.Identifier, Version: c.version, UpdatedAt: inUTC(c.row.UpdatedAt), Claims: all,
	}
}

// ofSubscription is what the subscription that speaks for the customer supplies. What it entitles to is there only while it grants
// access: an app that looks for a plan finds none, which is the free tier. Its status is a fact either way.
func (c *claimant) ofSubscription() map[string]Claim {
	said := map[string]Claim{}
	say := func(key, text string) {
		said[key] = Claim{Key: key, Value: json.RawMessage(strconv.Quote(text)), Source: FromSubscription}
	}
	if c.row.Status == nil {
		return said
	}
	say("status", strings.ToLower(*c.row.Status))
	if !c.row.Grants {
		return said
	}
	say("plan", *c.row.Tier)
	say("seats", strconv.Itoa(int(*c.row.Quantity)))
	if *c.row.Status == "TRIALING" && c.row.TrialEnd != nil {
		say("trial_ends", c.row.TrialEnd.UTC().Format(time.DateOnly))
	}
	return said
}
