package main

import (
	"context"
	"errors"
	"time"
)

const (
	goodCard = "pm_card_visa"
	badCard  = "pm_card_chargeCustomerFailInsufficientFunds"
	// untilGivenUp is longer than a merchant's retries and grace.
	untilGivenUp = 45 * day
)

// nothing is for what has happened when the stage is set.
func (s *stage) nothing(context.Context) error { return nil }

// attach makes a card the customer's default.
func (s *stage) attach(ctx context.Context, card string) error {
	return s.do(ctx, `mutation($email: String!, $card: String!) {
		paymentMethodAttach(input: {customer: {email: $email}, token: $card}) { userErrors { code message } } }`,
		map[string]any{"email": s.email, "card": card}, &struct{}{})
}

// sell sells the plan. The subscription is there even where the first charge is declined.
func (s *stage) sell(ctx context.Context) error {
	var data struct {
		SubscriptionCreate struct {
			Subscription *struct {
				ID               string
				CurrentPeriodEnd *time.Time
			}
			UserErrors []shownError
		}
	}
	err := s.ask(ctx, `mutation($email: String!, $plan: ID!) { subscriptionCreate(input: {customer: {email: $email}, plan: $plan, interval: MONTH}) {
		subscription { id currentPeriodEnd } userErrors { code message } } }`, map[string]any{"email": s.email, "plan": s.plan}, &data)
	if err != nil {
		return err
	}
	sold := data.SubscriptionCreate
	if sold.Subscription != nil {
		s.subscription = sold.Subscription.ID
		if end := sold.Subscription.CurrentPeriodEnd; end != nil {
			s.periodEnd = *end
		}
	}
	if len(sold.UserErrors) > 0 {
		return &refusedError{sold.UserErrors[0].Code, sold.UserErrors[0].Message}
	}
	return nil
}

func (s *stage) buy(ctx context.Context) error {
	if err := s.attach(ctx, goodCard); err != nil {
		return err
	}
	return s.sell(ctx)
}

func (s *stage) buyInVain(ctx context.Context) error {
	if err := s.attach(ctx, badCard); err != nil {
		return err
	}
	err := s.sell(ctx)
	var refused *refusedError
	if errors.As(err, &refused) && refused.code == "PAYMENT_FAILED" {
		return nil
	}
	return err
}

func (s *stage) renew(ctx context.Context) error {
	if err := s.buy(ctx); err != nil {
		return err
	}
	return s.advance(ctx, s.periodEnd.Add(time.Hour))
}

func (s *stage) tryOut(ctx context.Context) error {
	if err := s.sell(ctx); err != nil {
		return err
	}
	return s.advance(ctx, s.periodEnd.Add(-2*day))
}

func (s *stage) failToRenew(ctx context.Context) error {
	if err := s.buy(ctx); err != nil {
		return err
	}
	if err := s.attach(ctx, badCard); err != nil {
		return err
	}
	return s.advance(ctx, s.periodEnd.Add(time.Hour))
}

func (s *stage) expire(ctx context.Context) error {
	if err := s.failToRenew(ctx); err != nil {
		return err
	}
	return s.advance(ctx, s.periodEnd.Add(untilGivenUp))
}

func (s *stage) cancelAhead(ctx context.Context) error { return s.cancel(ctx, true) }

func (s *stage) cancelNow(ctx context.Context) error { return s.cancel(ctx, false) }

func (s *stage) cancel(ctx context.Context, atPeriodEnd bool) error {
	if err := s.buy(ctx); err != nil {
		return err
	}
	return s.do(ctx, `mutation($id: ID!, $ahead: Boolean!) { subscriptionCancel(input: {subscription: $id, atPeriodEnd: $ahead}) { userErrors { code message } } }`,
		map[string]any{"id": s.subscription, "ahead": atPeriodEnd}, &struct{}{})
}

func (s *stage) claim(ctx context.Context) error {
	return s.do(ctx, `mutation($email: String!, $product: ProductRef!) {
		claimsSet(input: {customer: {email: $email}, product: $product, claims: {triggered: true}}) { userErrors { code message } } }`,
		map[string]any{"email": s.email, "product": map[string]any{"identifier": triggerProduct}}, &struct{}{})
}

func (s *stage) disable(ctx context.Context) error {
	var made struct{ WebhookEndpoint struct{ ID string } }
	err := s.do(ctx, `mutation($product: ProductRef!) {
		webhookEndpointCreate(input: {url: "https://example.com/porticotrigger", product: $product, eventTypes: ["endpoint.disabled"]}) {
			webhookEndpoint { id } userErrors { code message } } }`,
		map[string]any{"product": map[string]any{"identifier": triggerProduct}}, &made)
	if err != nil {
		return err
	}
	id := map[string]any{"id": made.WebhookEndpoint.ID}
	err = s.do(ctx, `mutation($id: ID!) { webhookEndpointDisable(input: {id: $id}) { userErrors { code message } } }`, id, &struct{}{})
	if err != nil {
		return err
	}
	return s.do(ctx, `mutation($id: ID!) { webhookEndpointDelete(input: {id: $id}) { userErrors { code message } } }`, id, &struct{}{})
}

// advance moves the clock, and waits until the workers have done what was due.
func (s *stage) advance(ctx context.Context, to time.Time) error {
	err := s.do(ctx, `mutation($id: ID!, $to: DateTime!) { testClockAdvance(input: {testClock: $id, to: $to}) { userErrors { code message } } }`,
		map[string]any{"id": s.clock, "to": to.UTC().Format(time.RFC3339)}, &struct{}{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, happensWithin)
	defer cancel()
	for {
		var data struct{ Node struct{ Status string } }
		if err := s.ask(ctx, `query($id: ID!) { node(id: $id) { ... on TestClock { status } } }`, map[string]any{"id": s.clock}, &data); err != nil {
			return err
		}
		if data.Node.Status == "READY" {
			return nil
		}
		select {
		case <-time.After(clockPoll):
		case <-ctx.Done():
			return errors.New("the test clock does not advance: is portico work running?")
		}
	}
}
