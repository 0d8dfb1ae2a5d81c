package graph

import (
	"context"
	"encoding/json"

	"portico/internal/account"
	"portico/internal/page"
	"portico/internal/webhook"
)

// Event is webhook.StoredEvent as the schema shows it.
type Event struct{ webhook.StoredEvent }

func showEvent(row webhook.StoredEvent, _ *siblings[Event]) *Event { return &Event{row} }

// IsNode implements Node.
func (*Event) IsNode() {}

// ID is the global id.
func (e *Event) ID() string { return gid("Event", e.StoredEvent.ID) }

// SubscriptionID is the global id of what it happened to, nil for an event about no subscription.
func (e *Event) SubscriptionID() *string {
	if e.StoredEvent.SubscriptionID == 0 {
		return nil
	}
	id := gid("CustomerSubscription", e.StoredEvent.SubscriptionID)
	return &id
}

// Type is what happened.
func (e *Event) Type() string { return string(e.StoredEvent.Type) }

// Body is what endpoints receive.
func (e *Event) Body() json.RawMessage { return e.StoredEvent.Body }

// Events are what follows a position in commit order.
func (r query) Events(ctx context.Context, first *int32, after *string) (*Connection[Event], error) {
	request, err := pageOf(first, nil)
	if err != nil {
		return nil, err
	}
	xid, id, err := page.Position(after)
	if err != nil {
		return nil, err
	}
	rows, err := r.Webhooks.Events(ctx, callerOf(ctx).MerchantID, xid, id, request.Limit())
	if err != nil {
		return nil, err
	}
	rows, more := page.Trim(rows, request.Size)
	return &Connection[Event]{Nodes: family(rows, showEvent), more: more, cursor: (*Event).cursor}, nil
}

func (e *Event) cursor() string { return page.Cursor(e.XID, e.StoredEvent.ID) }

// LatestEventCursor is the position of now in Events.
func (r query) LatestEventCursor(ctx context.Context) (string, error) {
	end, err := r.Webhooks.EventsEnd(ctx, callerOf(ctx).MerchantID)
	return page.Cursor(end.XID, end.ID), err
}

// EventPublished streams what follows a position.
func (r live) EventPublished(ctx context.Context, types []string, after *string) (<-chan *Edge[Event], error) {
	merchantID := callerOf(ctx).MerchantID
	var position webhook.Position
	var err error
	if after == nil {
		position, err = r.Webhooks.EventsEnd(ctx, merchantID)
	} else {
		position.XID, position.ID, err = page.Position(after)
	}
	if err != nil {
		return nil, err
	}
	events, err := r.Webhooks.Follow(ctx, merchantID, position, types)
	if err != nil {
		return nil, err
	}
	return feed(ctx, func(send func(*Edge[Event]) bool) error {
		for row, err := range events {
			if err != nil {
				return err
			}
			event := alone(row, showEvent)
			if !send(&Edge[Event]{Node: event, Cursor: event.cursor()}) {
				return nil
			}
		}
		return nil
	}), nil
}

func (r *Resolver) events(ctx context.Context, ids []int64) (map[int64]*Event, error) {
	read := func(ctx context.Context, caller account.Caller, ids []int64) (map[int64]webhook.StoredEvent, error) {
		return r.Webhooks.EventsByID(ctx, caller.MerchantID, ids)
	}
	return readByID(ctx, "Event", ids, read, showEvent)
}
