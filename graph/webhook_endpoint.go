package graph

import (
	"context"

	"portico/internal/account"
	"portico/internal/secret"
	"portico/internal/webhook"
)

// WebhookEndpoint is webhook.Endpoint as the schema shows it.
type WebhookEndpoint struct {
	webhook.Endpoint
	siblings *siblings[WebhookEndpoint]
}

func showEndpoint(row webhook.Endpoint, s *siblings[WebhookEndpoint]) *WebhookEndpoint {
	return &WebhookEndpoint{row, s}
}

type endpointFields struct{ *Resolver }

// WebhookEndpoint implements ResolverRoot.
func (r *Resolver) WebhookEndpoint() WebhookEndpointResolver { return endpointFields{r} }

// WebhookEndpointHealth is an endpoint's condition and its last day as the schema shows them.
type WebhookEndpointHealth struct {
	webhook.Condition
	day      webhook.Day
	endpoint *WebhookEndpoint
}

// Health is loaded for all endpoints of a level at once.
func (r endpointFields) Health(ctx context.Context, endpoint *WebhookEndpoint) (*WebhookEndpointHealth, error) {
	days, err := together(endpoint.siblings, "health", func(all []*WebhookEndpoint) (map[int64]webhook.Day, error) {
		return r.Webhooks.DaysByEndpoint(ctx, callerOf(ctx).MerchantID, distinct(all, (*WebhookEndpoint).rowID))
	})
	return &WebhookEndpointHealth{endpoint.Condition, days[endpoint.rowID()], endpoint}, err
}

type healthFields struct{ *Resolver }

// WebhookEndpointHealth implements ResolverRoot.
func (r *Resolver) WebhookEndpointHealth() WebhookEndpointHealthResolver { return healthFields{r} }

// Waiting is counted for all endpoints of a level at once.
func (r healthFields) Waiting(ctx context.Context, health *WebhookEndpointHealth) (int32, error) {
	waiting, err := together(health.endpoint.siblings, "waiting", func(all []*WebhookEndpoint) (map[int64]int32, error) {
		return r.Webhooks.WaitingByEndpoint(ctx, callerOf(ctx).MerchantID, distinct(all, (*WebhookEndpoint).rowID))
	})
	return waiting[health.endpoint.rowID()], err
}

// Attempts are those of the last day.
func (h *WebhookEndpointHealth) Attempts() int64 { return h.day.Succeeded + h.day.Failed }

// SuccessRate is nil without attempts.
func (h *WebhookEndpointHealth) SuccessRate() *float64 {
	if h.Attempts() == 0 {
		return nil
	}
	rate := float64(h.day.Succeeded) / float64(h.Attempts())
	return &rate
}

// P95Ms is nil without attempts.
func (h *WebhookEndpointHealth) P95Ms() *int32 {
	if h.Attempts() == 0 {
		return nil
	}
	ms := int32(h.day.P95.Milliseconds()) //nolint:gosec // a bucket's bound
	return &ms
}

// IsNode implements Node.
func (*WebhookEndpoint) IsNode() {}

// ID is the global id.
func (e *WebhookEndpoint) ID() string { return gid("WebhookEndpoint", e.rowID()) }

func (e *WebhookEndpoint) rowID() int64 { return e.Endpoint.ID }

// ProductID is the global id of the product whose events it receives, nil for all.
func (e *WebhookEndpoint) ProductID() *string {
	if e.Endpoint.ProductID == nil {
		return nil
	}
	id := gid("Product", *e.Endpoint.ProductID)
	return &id
}

// Headers are what goes along with every request.
func (e *WebhookEndpoint) Headers() []*WebhookHeader {
	shown := make([]*WebhookHeader, len(e.Endpoint.Headers))
	for i, h := range e.Endpoint.Headers {
		shown[i] = &WebhookHeader{h}
	}
	return shown
}

// WebhookHeader is webhook.Header as the schema shows it.
type WebhookHeader struct{ webhook.Header }

// Value is nil where it is not shown.
func (h *WebhookHeader) Value() *string {
	if h.Header.Value == nil {
		return nil
	}
	return reveal(*h.Header.Value)
}

// WebhookEndpoint is one of the merchant's.
func (r query) WebhookEndpoint(ctx context.Context, id string) (*WebhookEndpoint, error) {
	row, err := rowID("id", "WebhookEndpoint", id)
	if err != nil {
		return nil, err
	}
	endpoint, err := r.Webhooks.Endpoint(ctx, callerOf(ctx).MerchantID, row)
	return orNull(alone(endpoint, showEndpoint), err)
}

// WebhookEndpoints are the merchant's, narrowed by the arguments.
func (r query) WebhookEndpoints(
	ctx context.Context, product *ProductRef, status *string, first *int32, after *string,
) (*Connection[WebhookEndpoint], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	productID, err := r.optionalProduct(ctx, product)
	if err != nil {
		return nil, err
	}
	filter := webhook.EndpointFilter{ProductID: productID, Status: status}
	endpoints, more, err := r.Webhooks.Endpoints(ctx, callerOf(ctx).MerchantID, filter, request)
	return connected(endpoints, more, err, showEndpoint, (*WebhookEndpoint).rowID)
}

// optionalProduct is the id of the merchant's product that is named, nil when none is.
func (r *Resolver) optionalProduct(ctx context.Context, named *ProductRef) (*int64, error) {
	if named == nil {
		return nil, nil //nolint:nilnil // what is left out has no id
	}
	id, err := r.productID(ctx, *named)
	return &id, err
}

// WebhookEndpointCreate registers an endpoint.
func (r mutation) WebhookEndpointCreate(ctx context.Context, in WebhookEndpointCreateInput) (*WebhookEndpointCreatePayload, error) {
	var plain secret.Text
	productID, err := r.optionalProduct(ctx, in.Product)
	var endpoint webhook.Endpoint
	if err == nil {
		endpoint, plain, err = r.Webhooks.EndpointCreate(ctx, callerOf(ctx).MerchantID, webhook.EndpointCreate{
			URL: in.URL, ProductID: productID, Format: in.Format, EventTypes: in.EventTypes, Description: in.Description,
			TimeoutSeconds: &in.TimeoutSeconds, RateLimit: in.RateLimit, Headers: headers(in.Headers),
		})
	}
	if err != nil {
		refused, err := userErrors(err)
		return &WebhookEndpointCreatePayload{UserErrors: refused}, err
	}
	return &WebhookEndpointCreatePayload{WebhookEndpoint: alone(endpoint, showEndpoint), Secret: reveal(plain)}, nil
}

func headers(given []*WebhookHeaderInput) []webhook.Header {
	all := make([]webhook.Header, len(given))
	for i, h := range given {
		all[i] = webhook.Header{Name: h.Name, Value: (*secret.Text)(h.Value)}
	}
	return all
}

// WebhookEndpointUpdate changes an endpoint.
func (r mutation) WebhookEndpointUpdate(ctx context.Context, in WebhookEndpointUpdateInput) (*WebhookEndpointUpdatePayload, error) {
	endpoint, err := r.changedEndpoint(in.ID, func(id int64) (webhook.Endpoint, error) {
		product, setProduct := in.Product.ValueOK()
		rateLimit, setRateLimit := in.RateLimit.ValueOK()
		productID, err := r.optionalProduct(ctx, product)
		if err != nil {
			return webhook.Endpoint{}, err
		}
		return r.Webhooks.EndpointUpdate(ctx, callerOf(ctx).MerchantID, webhook.EndpointUpdate{
			ID: id, URL: in.URL, Description: in.Description, EventTypes: in.EventTypes, TimeoutSeconds: in.TimeoutSeconds,
			SetProduct: setProduct, ProductID: productID, SetRateLimit: setRateLimit, RateLimit: rateLimit,
			SetHeaders: in.Headers != nil, Headers: headers(in.Headers),
		})
	})
	if err != nil {
		refused, err := userErrors(err)
		return &WebhookEndpointUpdatePayload{UserErrors: refused}, err
	}
	return &WebhookEndpointUpdatePayload{WebhookEndpoint: endpoint}, nil
}

// WebhookEndpointDelete takes an endpoint away.
func (r mutation) WebhookEndpointDelete(ctx context.Context, in WebhookEndpointDeleteInput) (*WebhookEndpointDeletePayload, error) {
	id, err := rowID("id", "WebhookEndpoint", in.ID)
	if err == nil {
		err = r.Webhooks.EndpointDelete(ctx, callerOf(ctx).MerchantID, id)
	}
	if err != nil {
		refused, err := userErrors(err)
		return &WebhookEndpointDeletePayload{UserErrors: refused}, err
	}
	deleted := gid("WebhookEndpoint", id)
	return &WebhookEndpointDeletePayload{DeletedID: &deleted}, nil
}

// WebhookEndpointEnable has an endpoint receive events again.
func (r mutation) WebhookEndpointEnable(ctx context.Context, in WebhookEndpointEnableInput) (*WebhookEndpointEnablePayload, error) {
	endpoint, err := r.changedEndpoint(in.ID, func(id int64) (webhook.Endpoint, error) {
		if !in.CatchUp {
			return r.Webhooks.EndpointEnableAnew(ctx, callerOf(ctx).MerchantID, id)
		}
		return r.Webhooks.EndpointEnable(ctx, callerOf(ctx).MerchantID, id)
	})
	if err != nil {
		refused, err := userErrors(err)
		return &WebhookEndpointEnablePayload{UserErrors: refused}, err
	}
	return &WebhookEndpointEnablePayload{WebhookEndpoint: endpoint}, nil
}

// WebhookEndpointDisable has an endpoint receive nothing.
func (r mutation) WebhookEndpointDisable(ctx context.Context, in WebhookEndpointDisableInput) (*WebhookEndpointDisablePayload, error) {
	endpoint, err := r.changedEndpoint(in.ID, func(id int64) (webhook.Endpoint, error) {
		return r.Webhooks.EndpointDisable(ctx, callerOf(ctx).MerchantID, id)
	})
	if err != nil {
		refused, err := userErrors(err)
		return &WebhookEndpointDisablePayload{UserErrors: refused}, err
	}
	return &WebhookEndpointDisablePayload{WebhookEndpoint: endpoint}, nil
}

// WebhookEndpointRollSecret makes a new signing secret.
func (r mutation) WebhookEndpointRollSecret(
	ctx context.Context, in WebhookEndpointRollSecretInput,
) (*WebhookEndpointRollSecretPayload, error) {
	var rolled secret.Text
	endpoint, err := r.changedEndpoint(in.ID, func(id int64) (endpoint webhook.Endpoint, err error) {
		endpoint, rolled, err = r.Webhooks.EndpointRollSecret(ctx, callerOf(ctx).MerchantID, id, in.OverlapSeconds)
		return endpoint, err
	})
	if err != nil {
		refused, err := userErrors(err)
		return &WebhookEndpointRollSecretPayload{UserErrors: refused}, err
	}
	return &WebhookEndpointRollSecretPayload{WebhookEndpoint: endpoint, Secret: reveal(rolled)}, nil
}

// WebhookEndpointActivateSecret has the new signing secret sign alone.
func (r mutation) WebhookEndpointActivateSecret(
	ctx context.Context, in WebhookEndpointActivateSecretInput,
) (*WebhookEndpointActivateSecretPayload, error) {
	endpoint, err := r.changedEndpoint(in.ID, func(id int64) (webhook.Endpoint, error) {
		return r.Webhooks.EndpointActivateSecret(ctx, callerOf(ctx).MerchantID, id)
	})
	if err != nil {
		refused, err := userErrors(err)
		return &WebhookEndpointActivateSecretPayload{UserErrors: refused}, err
	}
	return &WebhookEndpointActivateSecretPayload{WebhookEndpoint: endpoint}, nil
}

// WebhookEndpointTest sends a sample event to an endpoint.
func (r mutation) WebhookEndpointTest(ctx context.Context, in WebhookEndpointTestInput) (*WebhookEndpointTestPayload, error) {
	id, err := rowID("id", "WebhookEndpoint", in.ID)
	var result webhook.Trial
	if err == nil {
		result, err = r.Webhooks.EndpointTest(ctx, callerOf(ctx).MerchantID, id, in.EventType)
	}
	if err != nil {
		refused, err := userErrors(err)
		return &WebhookEndpointTestPayload{UserErrors: refused}, err
	}
	return &WebhookEndpointTestPayload{Result: &result}, nil
}

// changedEndpoint does something to the endpoint with the global id, and shows it.
func (r mutation) changedEndpoint(id string, change func(id int64) (webhook.Endpoint, error)) (*WebhookEndpoint, error) {
	row, err := rowID("id", "WebhookEndpoint", id)
	if err != nil {
		return nil, err
	}
	endpoint, err := change(row)
	if err != nil {
		return nil, err
	}
	return alone(endpoint, showEndpoint), nil
}

func (r *Resolver) webhookEndpoints(ctx context.Context, ids []int64) (map[int64]*WebhookEndpoint, error) {
	read := func(ctx context.Context, caller account.Caller, ids []int64) (map[int64]webhook.Endpoint, error) {
		return r.Webhooks.EndpointsByID(ctx, caller.MerchantID, ids)
	}
	return readByID(ctx, "WebhookEndpoint", ids, read, showEndpoint)
}
