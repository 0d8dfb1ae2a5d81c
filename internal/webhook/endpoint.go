package webhook

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/page"
	"portico/internal/secret"
)

// APIVersion is how the bodies look that this release makes. An endpoint keeps the version with which it was created: what would take a
// member out of a body, or change one, is a new version beside this one. New members, types of event and headers are not.
const APIVersion = "2026-11-21"

const maxEndpoints = 100

// The statuses of an endpoint.
const (
	EndpointEnabled  = "ENABLED"  // receives events
	EndpointDisabled = "DISABLED" // its events wait
	endpointDeleted  = "DELETED"  // is kept for the history of its deliveries, and nobody finds it
)

// Why an endpoint is disabled.
const (
	DisabledManual  = "MANUAL"  // the merchant did it
	DisabledGone    = "GONE"    // the receiver answered 410
	DisabledFailing = "FAILING" // the receiver failed for days
)

// Endpoint is a URL that receives events.
type Endpoint struct {
	MerchantID     int64
	ID             int64
	ProductID      *int64 // only events of this product, when set
	URL            string
	Description    string
	Format         string   // for good: another format is another receiver
	EventTypes     []string // types, and patterns such as subscription.*
	APIVersion     string
	TimeoutSeconds int32
	RateLimit      *int32 // requests a second; nil for no limit
	Headers        []Header
	Status         string
	DisabledReason *string
	DisabledAt     *time.Time
	PublicKey      *string    // for v1a signatures, whpk_…; nil for an endpoint from before there were any
	NextPublicKey  *string    // while a rolled secret waits
	NextSecretAt   *time.Time // when that signs alone, unless it is activated before
	CreatedAt      time.Time
	Condition      Condition
}

// EndpointCreate is the input of Webhooks.EndpointCreate.
type EndpointCreate struct {
	URL            string
	ProductID      *int64
	Format         string   // "" stands for FormatPortal
	EventTypes     []string // nil stands for DefaultTypes, or for payment.succeeded where the format tells of that alone
	Description    string
	TimeoutSeconds *int32 // nil stands for 10
	RateLimit      *int32
	Headers        []Header
}

// EndpointCreate registers an endpoint and returns its signing secret, which is not shown again. The answer shows the values of its
// headers. Faults: INVALID on any input, NOT_FOUND on product, CONFLICT for a merchant with 100 endpoints.
func (w *Webhooks) EndpointCreate(ctx context.Context, merchantID int64, in EndpointCreate) (Endpoint, secret.Text, error) {
	s := settings{
		productID: in.ProductID, url: in.URL, format: cmp.Or(in.Format, FormatPortal), description: in.Description, timeoutSeconds: defaultTimeoutSeconds, rateLimit: in.RateLimit,
	}
	if in.TimeoutSeconds != nil {
		s.timeoutSeconds = *in.TimeoutSeconds
	}
	var check fault.Check
	check.Add(w.checkURL(&s.url))
	check.Add(checkDescription(&s.description))
	s.eventTypes = eventTypes(in.EventTypes, s.format, &check)
	check.Add(checkTimeout(s.timeoutSeconds))
	check.Add(checkRateLimit(s.rateLimit))
	s.headers = checkHeaders(in.Headers, nil, &check)
	made, err := newSigning()
	if err != nil {
		return Endpoint{}, "", fmt.Errorf("make a signing secret: %w", err)
	}
	var row db.WebhookEndpoint
	err = w.DB.Tenant(merchantID).Tx(ctx, func(tx pgx.Tx) error {
		if err := w.checkProduct(ctx, tx, merchantID, in.ProductID, &check); err != nil {
			return err
		}
		if err := check.Err(); err != nil {
			return err
		}
		if err := w.checkRoom(ctx, tx, merchantID); err != nil {
			return err
		}
		row, err = w.insertEndpoint(ctx, tx, merchantID, s, made)
		return err
	})
	if err != nil {
		return Endpoint{}, "", err
	}
	created := endpointFrom(row, w.Now())
	created.Headers = s.headers
	return created, made.secret, nil
}

func (w *Webhooks) checkRoom(ctx context.Context, tx pgx.Tx, merchantID int64) error {
	if err := w.DB.LockMerchantForEndpoint(ctx, tx, merchantID); err != nil {
		return fmt.Errorf("lock merchant %d: %w", merchantID, err)
	}
	n, err := w.DB.CountEndpoints(ctx, tx, merchantID)
	if err != nil {
		return fmt.Errorf("count endpoints: %w", err)
	}
	if n >= maxEndpoints {
		return fault.New(fault.CodeConflict, "", "there are %d webhook endpoints already, which is the most a merchant can have", n)
	}
	return nil
}

func (w *Webhooks) insertEndpoint(ctx context.Context, tx pgx.Tx, merchantID int64, s settings, made signing) (db.WebhookEndpoint, error) {
	id, err := w.DB.ReserveEndpointID(ctx, tx)
	if err != nil {
		return db.WebhookEndpoint{}, fmt.Errorf("reserve an endpoint id: %w", err)
	}
	names, sealed := w.sealHeaders(id, s.headers)
	row, err := w.DB.InsertEndpoint(ctx, tx, db.InsertEndpointParams{
		MerchantID: merchantID, ID: id, ProductID: s.productID, Url: s.url, Description: s.description, Format: s.format,
		ApiVersion: APIVersion, EventTypes: s.eventTypes, TimeoutSeconds: s.timeoutSeconds, RateLimit: s.rateLimit,
		HeaderNames: names, HeadersCipher: sealed,
		SecretCipher: w.Keys.Seal(SecretIdentity(id), made.secret), SigningKeyCipher: w.Keys.Seal(SigningKeyIdentity(id), made.seed),
		PublicKey: made.public, CreatedAt: w.Now(),
	})
	if err != nil {
		return db.WebhookEndpoint{}, fmt.Errorf("insert endpoint: %w", err)
	}
	return row, nil
}

// EndpointFilter narrows a list of endpoints by what is given.
type EndpointFilter struct {
	ProductID *int64 // those for this product only, without those for all
	Status    *string
}

// Endpoints is a page of the merchant's endpoints, newest first, and whether more follow.
func (w *Webhooks) Endpoints(ctx context.Context, merchantID int64, f EndpointFilter, p page.Request) ([]Endpoint, bool, error) {
	rows, err := w.DB.ListEndpoints(ctx, w.DB.Tenant(merchantID), db.ListEndpointsParams{
		MerchantID: merchantID, Before: p.Before(), Most: p.Limit(), ProductID: f.ProductID, Status: f.Status,
	})
	if err != nil {
		return nil, false, fmt.Errorf("list endpoints: %w", err)
	}
	endpoints, now := make([]Endpoint, len(rows)), w.Now()
	for i, row := range rows {
		endpoints[i] = endpointFrom(row, now)
	}
	endpoints, more := page.Trim(endpoints, p.Size)
	return endpoints, more, nil
}

// Endpoint is one of the merchant's endpoints. Fault: NOT_FOUND.
func (w *Webhooks) Endpoint(ctx context.Context, merchantID, id int64) (Endpoint, error) {
	endpoints, err := w.EndpointsByID(ctx, merchantID, []int64{id})
	if err != nil {
		return Endpoint{}, err
	}
	e, ok := endpoints[id]
	if !ok {
		return Endpoint{}, noEndpoint("")
	}
	return e, nil
}

func noEndpoint(field string) *fault.Error { return fault.NotFound(field, "webhook endpoint") }

// EndpointsByID is the merchant's endpoints among the ids.
func (w *Webhooks) EndpointsByID(ctx context.Context, merchantID int64, ids []int64) (map[int64]Endpoint, error) {
	rows, err := w.DB.EndpointsByID(ctx, w.DB.Tenant(merchantID), db.EndpointsByIDParams{MerchantID: merchantID, Ids: ids})
	if err != nil {
		return nil, fmt.Errorf("read endpoints by id: %w", err)
	}
	endpoints, now := make(map[int64]Endpoint, len(rows)), w.Now()
	for _, row := range rows {
		endpoints[row.ID] = endpointFrom(row, now)
	}
	return endpoints, nil
}

// endpointFrom shows a row as it is at the time: a rolled secret whose deadline has come has taken its place.
func endpointFrom(row db.WebhookEndpoint, now time.Time) Endpoint {
	e := Endpoint{
		MerchantID: row.MerchantID, ID: row.ID, ProductID: row.ProductID, URL: row.Url, Description: row.Description,
		Format: row.Format, EventTypes: row.EventTypes, APIVersion: row.ApiVersion, TimeoutSeconds: row.TimeoutSeconds, RateLimit: row.RateLimit,
		Status: row.Status, DisabledReason: row.DisabledReason, DisabledAt: row.DisabledAt, CreatedAt: row.CreatedAt,
		PublicKey: publicKeyText(row.PublicKey), Condition: conditionOf(row),
	}
	for _, name := range row.HeaderNames {
		e.Headers = append(e.Headers, Header{Name: name})
	}
	switch next := publicKeyText(row.NextPublicKey); {
	case row.NextSecretAt == nil:
	case row.NextSecretAt.After(now):
		e.NextPublicKey, e.NextSecretAt = next, row.NextSecretAt
	default:
		e.PublicKey = next
	}
	return e
}
