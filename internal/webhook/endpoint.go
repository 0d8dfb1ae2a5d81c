package webhook

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/page"
	"portico/internal/secret"
)

const maxEndpoints = 100

// Endpoint is a URL that receives events.
type Endpoint struct {
	MerchantID int64
	ID         int64
	ProductID  *int64 // only events of this product, when set
	URL        string
	EventTypes []string
	Enabled    bool
	CreatedAt  time.Time
}

// EndpointCreate is the input of Webhooks.EndpointCreate.
type EndpointCreate struct {
	URL        string
	ProductID  *int64
	EventTypes []string // nil stands for DefaultTypes
}

// EndpointCreate registers an endpoint and returns its signing secret, which is not shown again. Faults: INVALID on url and on
// eventTypes, NOT_FOUND on product, CONFLICT for a merchant with 100 endpoints.
func (w *Webhooks) EndpointCreate(ctx context.Context, merchantID int64, in EndpointCreate) (Endpoint, secret.Text, error) {
	e := Endpoint{MerchantID: merchantID, ProductID: in.ProductID, URL: strings.TrimSpace(in.URL), Enabled: true, CreatedAt: w.Now()}
	var check fault.Check
	check.Add(w.checkURL(e.URL))
	e.EventTypes = eventTypes(in.EventTypes, &check)
	plain, err := NewSecret()
	if err != nil {
		return Endpoint{}, "", fmt.Errorf("make a signing secret: %w", err)
	}
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
		return w.insertEndpoint(ctx, tx, &e, secret.Text(plain))
	})
	if err != nil {
		return Endpoint{}, "", err
	}
	return e, secret.Text(plain), nil
}

func (w *Webhooks) checkURL(url string) *fault.Error {
	if url == "" {
		return fault.Required("url")
	}
	if err := w.Guard.CheckURL(url); err != nil {
		return fault.Invalid("url", "%s", err)
	}
	return nil
}

// eventTypes is the types asked for, each once.
func eventTypes(asked []string, check *fault.Check) []string {
	if asked == nil {
		return typeNames(DefaultTypes())
	}
	if len(asked) == 0 {
		check.Add(fault.Invalid("eventTypes", "must name at least one type of event, or be left out"))
	}
	known := typeNames(Types())
	var types []string
	for i, t := range asked {
		switch {
		case !slices.Contains(known, t):
			check.Add(fault.Invalid("eventTypes."+strconv.Itoa(i), "must be one of %s", strings.Join(known, ", ")))
		case !slices.Contains(types, t):
			types = append(types, t)
		}
	}
	return types
}

func typeNames(types []Type) []string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = string(t)
	}
	return names
}

func (w *Webhooks) checkProduct(ctx context.Context, tx pgx.Tx, merchantID int64, productID *int64, check *fault.Check) error {
	if productID == nil {
		return nil
	}
	exists, err := w.DB.EndpointProductExists(ctx, tx, db.EndpointProductExistsParams{MerchantID: merchantID, ID: *productID})
	if err != nil {
		return fmt.Errorf("look up product %d: %w", *productID, err)
	}
	if !exists {
		check.Add(fault.NotFound("product", "product"))
	}
	return nil
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

func (w *Webhooks) insertEndpoint(ctx context.Context, tx pgx.Tx, e *Endpoint, plain secret.Text) error {
	var err error
	if e.ID, err = w.DB.ReserveEndpointID(ctx, tx); err != nil {
		return fmt.Errorf("reserve an endpoint id: %w", err)
	}
	err = w.DB.InsertEndpoint(ctx, tx, db.InsertEndpointParams{
		MerchantID: e.MerchantID, ID: e.ID, ProductID: e.ProductID, Url: e.URL, EventTypes: e.EventTypes,
		SecretCipher: w.Keys.Seal(SecretIdentity(e.ID), plain), CreatedAt: e.CreatedAt,
	})
	if err != nil {
		return fmt.Errorf("insert endpoint: %w", err)
	}
	return nil
}

// SecretIdentity names the column that holds an endpoint's signing secret, as Keyring.Seal and Keyring.Open want it.
func SecretIdentity(endpointID int64) string {
	return "webhook_endpoint/" + strconv.FormatInt(endpointID, 10) + "/secret"
}

// Endpoints is a page of the merchant's endpoints, newest first, and whether more follow.
func (w *Webhooks) Endpoints(ctx context.Context, merchantID int64, p page.Request) ([]Endpoint, bool, error) {
	rows, err := w.DB.ListEndpoints(ctx, w.DB.Tenant(merchantID), db.ListEndpointsParams{
		MerchantID: merchantID, Before: p.Before(), Most: p.Limit(),
	})
	if err != nil {
		return nil, false, fmt.Errorf("list endpoints: %w", err)
	}
	endpoints := make([]Endpoint, len(rows))
	for i, row := range rows {
		endpoints[i] = endpointFrom(db.EndpointsByIDRow(row))
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
		return Endpoint{}, fault.NotFound("", "webhook endpoint")
	}
	return e, nil
}

// EndpointsByID is the merchant's endpoints among the ids.
func (w *Webhooks) EndpointsByID(ctx context.Context, merchantID int64, ids []int64) (map[int64]Endpoint, error) {
	rows, err := w.DB.EndpointsByID(ctx, w.DB.Tenant(merchantID), db.EndpointsByIDParams{MerchantID: merchantID, Ids: ids})
	if err != nil {
		return nil, fmt.Errorf("read endpoints by id: %w", err)
	}
	endpoints := make(map[int64]Endpoint, len(rows))
	for _, row := range rows {
		endpoints[row.ID] = endpointFrom(row)
	}
	return endpoints, nil
}

func endpointFrom(row db.EndpointsByIDRow) Endpoint {
	return Endpoint{
		MerchantID: row.MerchantID, ID: row.ID, ProductID: row.ProductID, URL: row.Url, EventTypes: row.EventTypes,
		Enabled: row.Status == "ENABLED", CreatedAt: row.CreatedAt,
	}
}
