package graph

import (
	"context"

	"portico/internal/account"
	"portico/internal/webhook"
)

// WebhookReplay is webhook.Replay as the schema shows it.
type WebhookReplay struct{ webhook.Replay }

func showReplay(row webhook.Replay, _ *siblings[WebhookReplay]) *WebhookReplay {
	return &WebhookReplay{row}
}

// IsNode implements Node.
func (*WebhookReplay) IsNode() {}

// ID is the global id.
func (p *WebhookReplay) ID() string { return gid("WebhookReplay", p.rowID()) }

func (p *WebhookReplay) rowID() int64 { return p.Replay.ID }

// EndpointID is the global id of the one endpoint, nil for all.
func (p *WebhookReplay) EndpointID() *string {
	if p.Replay.EndpointID == nil {
		return nil
	}
	id := gid("WebhookEndpoint", *p.Replay.EndpointID)
	return &id
}

// WebhookReplay is the replay with the id.
func (r query) WebhookReplay(ctx context.Context, id string) (*WebhookReplay, error) {
	row, err := rowID("id", "WebhookReplay", id)
	if err != nil {
		return orNull[WebhookReplay](nil, err)
	}
	found, err := r.webhookReplays(ctx, []int64{row})
	return found[row], err
}

// WebhookReplays are the merchant's.
func (r query) WebhookReplays(ctx context.Context, first *int32, after *string) (*Connection[WebhookReplay], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	replays, more, err := r.Webhooks.Replays(ctx, callerOf(ctx).MerchantID, request)
	return connected(replays, more, err, showReplay, (*WebhookReplay).rowID)
}

// WebhookReplay sends events again.
func (r mutation) WebhookReplay(ctx context.Context, in WebhookReplayInput) (*WebhookReplayPayload, error) {
	var replay webhook.Replay
	endpointID, err := optional("endpoint", "WebhookEndpoint", in.Endpoint)
	if err == nil {
		replay, err = r.Webhooks.StartReplay(ctx, callerOf(ctx).MerchantID, webhook.ReplayStart{
			EndpointID: endpointID, Since: in.Since, Until: in.Until, FailedOnly: in.FailedOnly, EventTypes: in.EventTypes,
		})
	}
	if err != nil {
		refused, err := userErrors(err)
		return &WebhookReplayPayload{UserErrors: refused}, err
	}
	return &WebhookReplayPayload{WebhookReplay: alone(replay, showReplay)}, nil
}

// WebhookReplayCancel stops a replay.
func (r mutation) WebhookReplayCancel(ctx context.Context, in WebhookReplayCancelInput) (*WebhookReplayCancelPayload, error) {
	var replay webhook.Replay
	id, err := rowID("id", "WebhookReplay", in.ID)
	if err == nil {
		replay, err = r.Webhooks.CancelReplay(ctx, callerOf(ctx).MerchantID, id)
	}
	if err != nil {
		refused, err := userErrors(err)
		return &WebhookReplayCancelPayload{UserErrors: refused}, err
	}
	return &WebhookReplayCancelPayload{WebhookReplay: alone(replay, showReplay)}, nil
}

func (r *Resolver) webhookReplays(ctx context.Context, ids []int64) (map[int64]*WebhookReplay, error) {
	read := func(ctx context.Context, caller account.Caller, ids []int64) (map[int64]webhook.Replay, error) {
		return r.Webhooks.ReplaysByID(ctx, caller.MerchantID, ids)
	}
	return readByID(ctx, "WebhookReplay", ids, read, showReplay)
}
