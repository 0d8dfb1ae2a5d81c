package access

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/webhook"
)

// maxClaimKeys is how many keys one change may name: enough to replace everything.
const maxClaimKeys = 2 * MaxClaims

// ClaimsSet says what is to be said of a customer in a product.
type ClaimsSet struct {
	Customer account.CustomerRef // by an e-mail address that no customer has: one is created
	Product  catalog.ProductRef
	// Claims is a JSON object that is merged by key: a string, number or boolean is set, null deletes.
	Claims json.RawMessage
	// ExpiresAt ends the claims that are set; nil means never. Expiries says something else of single keys.
	ExpiresAt *time.Time
	Expiries  map[string]*time.Time
	IfVersion *int64 // change nothing unless the claims are of this version, which is 0 before the first
}

// ClaimsUnset says which claims of a customer in a product are to go.
type ClaimsUnset struct {
	Customer  account.CustomerRef
	Product   catalog.ProductRef
	Keys      []string
	IfVersion *int64
}

// ClaimsSet merges claims into those of a customer, and creates the customer where an e-mail address has none. A key that is set gets
// the expiry that is given with it, or none. What makes no difference makes no new version and no event. Claims of another version than
// IfVersion are a CONFLICT, with what they are at present beside the error.
func (a *Access) ClaimsSet(ctx context.Context, caller account.Caller, in ClaimsSet) (CustomerClaims, error) {
	patch, err := in.patch()
	if err != nil {
		return CustomerClaims{}, err
	}
	var newcomers map[string]*keptClaim
	if in.mayCreate(patch) {
		newcomers = patch
	}
	of, err := a.claimantRef(ctx, caller, in.Customer, in.Product, newcomers)
	if err != nil {
		return CustomerClaims{}, err
	}
	return a.changeClaims(ctx, caller, of, in.IfVersion, patch)
}

// ClaimsUnset deletes claims of a customer. Keys that are not there make no difference; otherwise it is as ClaimsSet.
func (a *Access) ClaimsUnset(ctx context.Context, caller account.Caller, in ClaimsUnset) (CustomerClaims, error) {
	switch {
	case len(in.Keys) == 0:
		return CustomerClaims{}, fault.Required("keys")
	case len(in.Keys) > maxClaimKeys:
		return CustomerClaims{}, fault.Invalid("keys", "must be at most %d", maxClaimKeys)
	}
	patch := make(map[string]*keptClaim, len(in.Keys))
	for _, key := range in.Keys {
		patch[key] = nil
	}
	of, err := a.claimantRef(ctx, caller, in.Customer, in.Product, nil)
	if err != nil {
		return CustomerClaims{}, err
	}
	return a.changeClaims(ctx, caller, of, in.IfVersion, patch)
}

// Claims are those of a customer in a product: NOT_FOUND on customer or product where there is none such, as is every product but its own
// for a client.
func (a *Access) Claims(
	ctx context.Context, caller account.Caller, customer account.CustomerRef, product catalog.ProductRef,
) (CustomerClaims, error) {
	of, err := a.claimantRef(ctx, caller, customer, product, nil)
	if err != nil {
		return CustomerClaims{}, err
	}
	found, err := a.claimant(ctx, a.DB.Tenant(of.merchantID), of)
	if err != nil {
		return CustomerClaims{}, err
	}
	return found.claims(), nil
}

// patch reads the input. All that is wrong with it is reported together.
func (in ClaimsSet) patch() (map[string]*keptClaim, error) {
	object, err := account.JSONObject("claims", in.Claims)
	if err != nil {
		return nil, err
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(object, &given); err != nil {
		return nil, fault.Invalid("claims", "must be a JSON object")
	}
	switch {
	case len(given) == 0:
		return nil, fault.Required("claims")
	case len(given) > maxClaimKeys:
		return nil, fault.Invalid("claims", "must name at most %d keys at once", maxClaimKeys)
	}
	var check fault.Check
	blame := func(key, sentence string) {
		if sentence != "" {
			check.Add(&fault.Error{Code: fault.CodeInvalid, Field: []string{"claims", key}, Message: sentence})
		}
	}
	patch := make(map[string]*keptClaim, len(given))
	for key, raw := range given {
		blame(key, checkClaimKey(key))
		if string(raw) == "null" {
			patch[key] = nil
			continue
		}
		value, wrong := claimValue(raw)
		blame(key, wrong)
		expires := in.ExpiresAt
		if own, is := in.Expiries[key]; is {
			expires = own
		}
		patch[key] = &keptClaim{Value: value, ExpiresAt: toMicroseconds(expires)}
	}
	for key := range in.Expiries {
		if patch[key] == nil {
			check.Add(fault.Invalid("expiries", "may name only keys that are set by claims, and %q is not", key))
		}
	}
	return patch, check.Err()
}

// toMicroseconds is what Postgres can store.
func toMicroseconds(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	cut := t.UTC().Truncate(time.Microsecond)
	return &cut
}

// mayCreate tells whether there is anything to create a customer for.
func (in ClaimsSet) mayCreate(patch map[string]*keptClaim) bool {
	if in.IfVersion != nil && *in.IfVersion != 0 {
		return false
	}
	for _, claim := range patch {
		if claim != nil {
			return true
		}
	}
	return false
}

func (a *Access) changeClaims(
	ctx context.Context, caller account.Caller, of claimantRef, ifVersion *int64, patch map[string]*keptClaim,
) (CustomerClaims, error) {
	var shown CustomerClaims
	err := a.DB.Tenant(of.merchantID).Tx(ctx, func(tx pgx.Tx) error {
		// The first set of a customer has no row to lock.
		if _, err := a.DB.LockClaimant(ctx, tx, db.LockClaimantParams{MerchantID: of.merchantID, ID: of.customerID}); err != nil {
			return err
		}
		if err := a.lockClaims(ctx, tx, []claimantRef{of}); err != nil {
			return err
		}
		found, err := a.claimant(ctx, tx, of)
		if err != nil {
			return err
		}
		if ifVersion != nil && *ifVersion != found.version {
			shown = found.claims()
			return fault.New(fault.CodeConflict, "ifVersion", "the claims are of version %d", found.version)
		}
		changed, err := found.apply(patch)
		if err != nil {
			return err
		}
		if len(changed) > 0 {
			err = a.saveClaims(ctx, tx, caller, []claimsChange{{found, changed}})
		}
		shown = found.claims()
		return err
	})
	if err != nil {
		return shown, fmt.Errorf("change the claims of customer %d: %w", of.customerID, err)
	}
	return shown, nil
}

func (a *Access) lockClaims(ctx context.Context, tx pgx.Tx, refs []claimantRef) error {
	merchantIDs, customerIDs, productIDs := claimantColumns(refs)
	_, err := a.DB.LockClaimSets(ctx, tx, db.LockClaimSetsParams{MerchantIds: merchantIDs, CustomerIds: customerIDs, ProductIds: productIDs})
	return err
}

// claimsChange is a new version of somebody's claims.
type claimsChange struct {
	of      *claimant
	changed []claimed
}

// saveClaims stores new versions with their history, and announces them.
func (a *Access) saveClaims(ctx context.Context, tx pgx.Tx, caller account.Caller, changes []claimsChange) error {
	now := a.Now()
	var sets db.SaveClaimSetsParams
	var history db.InsertClaimChangesParams
	events := make([]webhook.Announcement, len(changes))
	for i, c := range changes {
		c.of.version++
		c.of.row.UpdatedAt = &now
		row := c.of.row
		document, err := json.Marshal(c.of.kept)
		if err != nil {
			return fmt.Errorf("write claims: %w", err)
		}
		sets.MerchantIds, sets.CustomerIds = append(sets.MerchantIds, row.MerchantID), append(sets.CustomerIds, row.CustomerID)
		sets.ProductIds, sets.Versions = append(sets.ProductIds, row.ProductID), append(sets.Versions, c.of.version)
		sets.Claims, sets.ExpireAts = append(sets.Claims, string(document)), append(sets.ExpireAts, orEpoch(c.of.nextExpiry()))
		sets.TestClockIds, sets.UpdatedAts = append(sets.TestClockIds, orZero(row.TestClockID)), append(sets.UpdatedAts, now)
		for _, one := range c.changed {
			addHistory(&history, c.of, one, caller, now)
		}
		events[i] = c.event()
	}
	if err := a.DB.SaveClaimSets(ctx, tx, sets); err != nil {
		return fmt.Errorf("save claims: %w", err)
	}
	if err := a.DB.InsertClaimChanges(ctx, tx, history); err != nil {
		return fmt.Errorf("save changes of claims: %w", err)
	}
	for _, c := range changes {
		if err := a.forgetClaimChanges(ctx, tx, c.of); err != nil {
			return err
		}
	}
	return a.Webhooks.Announce(ctx, tx, events...)
}

// event is claims.updated. It tells all claims, those of the subscription too, so that a receiver can put them in the place of what it
// has; a change of the subscription alone is told by the subscription's own events.
func (c claimsChange) event() webhook.Announcement {
	row := c.of.row
	keys := make([]string, len(c.changed))
	for i, one := range c.changed {
		keys[i] = one.key
	}
	slices.Sort(keys)
	return webhook.Announcement{
		MerchantID: row.MerchantID, ProductID: row.ProductID, Type: webhook.ClaimsUpdated, OccurredAt: row.NowAt, Data: webhook.Object{
			{Key: "customerId", Value: row.Number},
			{Key: "email", Value: row.Email},
			{Key: "productIdentifier", Value: row.Identifier},
			{Key: "version", Value: c.of.version},
			{Key: "changed", Value: slices.Compact(keys)},
			{Key: "claims", Value: c.of.claims().Object()},
			{Key: "userMeta", Value: row.UserMeta},
		},
	}
}
