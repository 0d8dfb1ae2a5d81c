package graph

import (
	"context"
	"slices"
	"time"

	"portico/internal/account"
	"portico/internal/webhook"
)

// WebhookDelivery is webhook.Delivery as the schema shows it.
type WebhookDelivery struct {
	webhook.Delivery
	siblings *siblings[WebhookDelivery]
}

func showDelivery(row webhook.Delivery, s *siblings[WebhookDelivery]) *WebhookDelivery {
	return &WebhookDelivery{row, s}
}

// IsNode implements Node.
func (*WebhookDelivery) IsNode() {}

// ID is the global id.
func (d *WebhookDelivery) ID() string { return gid("WebhookDelivery", d.rowID()) }

func (d *WebhookDelivery) rowID() int64 { return d.Delivery.ID }

// EndpointID is the global id of the receiver.
func (d *WebhookDelivery) EndpointID() string { return gid("WebhookEndpoint", d.Delivery.EndpointID) }

// EventID is the global id of what is delivered.
func (d *WebhookDelivery) EventID() string { return gid("Event", d.Delivery.EventID) }

type deliveryFields struct{ *Resolver }

// WebhookDelivery implements ResolverRoot.
func (r *Resolver) WebhookDelivery() WebhookDeliveryResolver { return deliveryFields{r} }

// WebhookDeliveries are the merchant's, narrowed by the arguments.
func (r query) WebhookDeliveries(
	ctx context.Context, endpoint, event, status *string, since, until *time.Time, eventTypes []string, first *int32, after *string,
) (*Connection[WebhookDelivery], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	endpointID, err := optional("endpoint", "WebhookEndpoint", endpoint)
	if err != nil {
		return nil, err
	}
	eventID, err := optional("event", "Event", event)
	if err != nil {
		return nil, err
	}
	filter := webhook.DeliveryFilter{
		EndpointID: endpointID, EventID: eventID, Status: status, Since: since, Until: until, EventTypes: eventTypes,
	}
	deliveries, more, err := r.Webhooks.Deliveries(ctx, callerOf(ctx).MerchantID, filter, request)
	return connected(deliveries, more, err, showDelivery, (*WebhookDelivery).rowID)
}

// Event is what is delivered.
func (r deliveryFields) Event(ctx context.Context, delivery *WebhookDelivery) (*Event, error) {
	return child(ctx, delivery, delivery.siblings, "event", func(d *WebhookDelivery) int64 { return d.Delivery.EventID }, r.events)
}

// wait is nil for a delivery that is finished. What is read is read for all deliveries of a level at once.
func (r deliveryFields) wait(ctx context.Context, delivery *WebhookDelivery) (*webhook.Wait, error) {
	waits, err := together(delivery.siblings, "wait", func(all []*WebhookDelivery) (map[int64]webhook.Wait, error) {
		pending := slices.DeleteFunc(slices.Clone(all), func(d *WebhookDelivery) bool { return d.Status != webhook.DeliveryPending })
		if len(pending) == 0 {
			return nil, nil
		}
		return r.Webhooks.WaitsByDelivery(ctx, callerOf(ctx).MerchantID, distinct(pending, (*WebhookDelivery).rowID))
	})
	if wait, waiting := waits[delivery.rowID()]; waiting {
		return &wait, err
	}
	return nil, err
}

// WaitReason is nil for a delivery that is finished.
func (r deliveryFields) WaitReason(ctx context.Context, delivery *WebhookDelivery) (*string, error) {
	wait, err := r.wait(ctx, delivery)
	if wait == nil {
		return nil, err
	}
	return &wait.Reason, nil
}

// WaitsUntil is nil where nobody knows.
func (r deliveryFields) WaitsUntil(ctx context.Context, delivery *WebhookDelivery) (*time.Time, error) {
	wait, err := r.wait(ctx, delivery)
	if wait == nil {
		return nil, err
	}
	return wait.Until, nil
}

// WaitsBehindID is the global id of the delivery that this one waits for.
func (r deliveryFields) WaitsBehindID(ctx context.Context, delivery *WebhookDelivery) (*string, error) {
	wait, err := r.wait(ctx, delivery)
	if wait == nil || wait.Behind == 0 {
		return nil, err
	}
	id := gid("WebhookDelivery", wait.Behind)
	return &id, nil
}

// Attempts are the delivery's so far.
func (r deliveryFields) Attempts(ctx context.Context, delivery *WebhookDelivery) ([]*webhook.Attempt, error) {
	read := func(ctx context.Context, caller account.Caller, _ []int64) (map[int64][]webhook.Attempt, error) {
		deliveries := make([]webhook.Delivery, len(delivery.siblings.all))
		for i, one := range delivery.siblings.all {
			deliveries[i] = one.Delivery
		}
		return r.Webhooks.AttemptsByDelivery(ctx, caller.MerchantID, deliveries)
	}
	show := func(row webhook.Attempt, _ *siblings[webhook.Attempt]) *webhook.Attempt { return &row }
	return children(ctx, delivery, delivery.siblings, "WebhookDelivery", (*WebhookDelivery).rowID, read, show)
}

func (r *Resolver) webhookDeliveries(ctx context.Context, ids []int64) (map[int64]*WebhookDelivery, error) {
	read := func(ctx context.Context, caller account.Caller, ids []int64) (map[int64]webhook.Delivery, error) {
		return r.Webhooks.DeliveriesByID(ctx, caller.MerchantID, ids)
	}
	return readByID(ctx, "WebhookDelivery", ids, read, showDelivery)
}

// WebhookDeliveryRetry sends a delivery again.
func (r mutation) WebhookDeliveryRetry(ctx context.Context, in WebhookDeliveryRetryInput) (*WebhookDeliveryRetryPayload, error) {
	var delivery webhook.Delivery
	id, err := rowID("id", "WebhookDelivery", in.ID)
	if err == nil {
		delivery, err = r.Webhooks.DeliveryRetry(ctx, callerOf(ctx).MerchantID, id)
	}
	if err != nil {
		refused, err := userErrors(err)
		return &WebhookDeliveryRetryPayload{UserErrors: refused}, err
	}
	return &WebhookDeliveryRetryPayload{WebhookDelivery: alone(delivery, showDelivery)}, nil
}

// WebhookDelivered streams what becomes of attempts, of one endpoint or of all.
func (r live) WebhookDelivered(ctx context.Context, endpoint *string) (<-chan *WebhookOutcome, error) {
	merchantID := callerOf(ctx).MerchantID
	only, err := optional("endpoint", "WebhookEndpoint", endpoint)
	if err != nil {
		return nil, err
	}
	if only != nil {
		if _, err := r.Webhooks.Endpoint(ctx, merchantID, *only); err != nil {
			return nil, err
		}
	}
	attempts, err := r.Webhooks.FollowAttempts(ctx, merchantID)
	if err != nil {
		return nil, err
	}
	return feed(ctx, func(send func(*WebhookOutcome) bool) error {
		for page, err := range attempts {
			if err != nil {
				return err
			}
			page = slices.DeleteFunc(page, func(a webhook.Recorded) bool { return only != nil && a.EndpointID != *only })
			outcomes, err := r.outcomes(ctx, page)
			if err != nil {
				return err
			}
			for _, outcome := range outcomes {
				if !send(outcome) {
					return nil
				}
			}
		}
		return nil
	}), nil
}

// outcomes are those of the attempts whose delivery is kept.
func (r *Resolver) outcomes(ctx context.Context, attempts []webhook.Recorded) ([]*WebhookOutcome, error) {
	var deliveryIDs, endpointIDs []int64
	for _, a := range attempts {
		deliveryIDs, endpointIDs = append(deliveryIDs, a.DeliveryID), append(endpointIDs, a.EndpointID)
	}
	deliveries, err := r.webhookDeliveries(ctx, deliveryIDs)
	if err != nil {
		return nil, err
	}
	endpoints, err := r.webhookEndpoints(ctx, endpointIDs)
	if err != nil {
		return nil, err
	}
	var outcomes []*WebhookOutcome
	for _, a := range attempts {
		if delivery := deliveries[a.DeliveryID]; delivery != nil {
			outcomes = append(outcomes, &WebhookOutcome{Attempt: &a.Attempt, Delivery: delivery, Endpoint: endpoints[a.EndpointID]})
		}
	}
	return outcomes, nil
}
