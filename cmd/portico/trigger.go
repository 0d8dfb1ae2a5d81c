package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

const (
	triggerProduct = "porticotrigger"
	triggerTier    = "trigger"
	trialTier      = "trial"
	trialDays      = 14
	// happensWithin is how long workers may take for what a test clock brings about.
	happensWithin = 2 * time.Minute
	clockPoll     = 200 * time.Millisecond
	day           = 24 * time.Hour
)

type triggerCommand struct {
	installation
	Type string `arg:"" optional:"" help:"Type of event, such as subscription.renewed."`
	List bool   `help:"List the types."`
}

// recipe is how an event of a type comes about. Those that nobody can bring about say why.
type recipe struct {
	kind, how string
	act       func(*stage, context.Context) error
}

func recipes() []recipe {
	return []recipe{
		{"subscription.created", "a customer buys a plan", (*stage).buy},
		{"subscription.updated", "a customer cancels ahead", (*stage).cancelAhead},
		{"subscription.renewed", "a month passes and is paid for", (*stage).renew},
		{"subscription.canceled", "a subscription is canceled at once", (*stage).cancelNow},
		{"subscription.trial_ending", "a trial is about to end", (*stage).tryOut},
		{"subscription.past_due", "a month passes and the card is declined", (*stage).failToRenew},
		{"subscription.expired", "a month passes, and the card is declined until nobody tries it any more", (*stage).expire},
		{"invoice.created", "a customer buys a plan", (*stage).buy},
		{"payment.succeeded", "a customer buys a plan", (*stage).buy},
		{"payment.failed", "a customer's card is declined", (*stage).buyInVain},
		{"product.approved", "only an operator decides about a product's review", nil},
		{"product.rejected", "only an operator decides about a product's review", nil},
		{"claims.updated", "a customer is given a claim", (*stage).claim},
		{"endpoint.disabled", "a webhook endpoint is made, disabled and deleted", (*stage).disable},
		{"customer.created", "a customer is made", (*stage).nothing},
	}
}

// Run has an event happen, and waits until it can be read.
func (t *triggerCommand) Run(ctx context.Context) error {
	if t.List {
		return listRecipes()
	}
	chosen := slices.IndexFunc(recipes(), func(r recipe) bool { return r.kind == t.Type })
	switch {
	case t.Type == "":
		return errors.New("name a type of event, such as subscription.renewed, or --list them")
	case chosen < 0:
		return fmt.Errorf("there is no type of event %q: --list shows all", t.Type)
	case recipes()[chosen].act == nil:
		return fmt.Errorf("%s cannot be triggered: %s", t.Type, recipes()[chosen].how)
	}
	at, err := t.open()
	if err != nil {
		return err
	}
	whose, cursor, err := at.begin(ctx)
	if err != nil {
		return err
	}
	if !whose.Sandbox {
		return fmt.Errorf("%s (%s) is no sandbox: events are triggered in sandboxes only", whose.Name, whose.Shop)
	}
	s := &stage{remote: at, about: t.Type}
	if err := s.set(ctx); err != nil {
		return err
	}
	if err := recipes()[chosen].act(s, ctx); err != nil {
		return err
	}
	return s.await(ctx, cursor)
}

func listRecipes() error {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, r := range recipes() {
		_, _ = fmt.Fprintf(table, "%s\t%s\n", r.kind, r.how)
	}
	return table.Flush()
}

// await finds the event that has happened, and prints it.
func (s *stage) await(ctx context.Context, cursor string) error {
	ctx, cancel := context.WithTimeout(ctx, happensWithin)
	defer cancel()
	found := errors.New("found")
	err := s.events(ctx, []string{s.about}, cursor, func(event published) error {
		if about := event.Node.SubscriptionID; about != nil && *about != s.subscription {
			return nil // somebody else's
		}
		_, _ = fmt.Fprintf(os.Stdout, "%s %s sequence %d\n", s.about, event.id(), event.Node.Sequence)
		return found
	})
	switch {
	case errors.Is(err, found):
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s has not happened within %s: is portico work running?", s.about, happensWithin)
	}
	return err
}

// stage is what events happen on: a product that all share, and a customer on a test clock for each event.
type stage struct {
	*remote
	about                            string
	plan, clock, email, subscription string
	now, periodEnd                   time.Time
}

// do performs a mutation and reads its payload. Its userErrors are an error.
func (s *stage) do(ctx context.Context, document string, variables map[string]any, payload any) error {
	var data map[string]json.RawMessage
	if err := s.ask(ctx, document, variables, &data); err != nil {
		return err
	}
	for name, raw := range data {
		var refused struct{ UserErrors []shownError }
		if err := json.Unmarshal(raw, &refused); err != nil {
			return fmt.Errorf("read the answer to %s: %w", name, err)
		}
		if len(refused.UserErrors) > 0 {
			return fmt.Errorf("%s: %w", name, &refusedError{refused.UserErrors[0].Code, refused.UserErrors[0].Message})
		}
		if err := json.Unmarshal(raw, payload); err != nil {
			return fmt.Errorf("read the answer to %s: %w", name, err)
		}
	}
	return nil
}

// set makes sure of the product and the plan, and makes a clock with a customer on it.
func (s *stage) set(ctx context.Context) error {
	if err := s.stock(ctx); err != nil {
		return err
	}
	var made struct {
		TestClock struct {
			ID  string
			Now time.Time
		}
	}
	err := s.do(ctx, `mutation($name: String!) { testClockCreate(input: {name: $name}) { testClock { id now } userErrors { code message } } }`,
		map[string]any{"name": "portico trigger " + s.about}, &made)
	if err != nil {
		return err
	}
	s.clock, s.now = made.TestClock.ID, made.TestClock.Now
	s.email = "trigger-" + strings.ToLower(rand.Text()[:12]) + "@example.com"
	return s.do(ctx, `mutation($email: String!, $name: String!, $clock: ID!) {
		customerCreate(input: {email: $email, name: $name, testClock: $clock}) { userErrors { code message } } }`,
		map[string]any{"email": s.email, "name": "Trigger " + s.about, "clock": s.clock}, &struct{}{})
}

// stock finds the plan that is sold, or makes it: the one with a trial for the event that tells of one.
func (s *stage) stock(ctx context.Context) error {
	tier, days := triggerTier, 0
	if s.about == "subscription.trial_ending" {
		tier, days = trialTier, trialDays
	}
	var found struct {
		Product *struct{ Plans []struct{ ID, Tier string } }
	}
	product := map[string]any{"identifier": triggerProduct}
	err := s.ask(ctx, `query($product: ProductRef!) { product(ref: $product) { plans { id tier } } }`, map[string]any{"product": product}, &found)
	if err != nil {
		return err
	}
	if found.Product == nil {
		err := s.do(ctx, `mutation($identifier: String!) { productCreate(input: {identifier: $identifier, name: "Portico trigger",
			description: "What portico trigger sells.", launchUrl: "http://localhost:3000/launch"}) { userErrors { code message } } }`, product, &struct{}{})
		if err != nil {
			return err
		}
	} else {
		for _, plan := range found.Product.Plans {
			if plan.Tier == tier {
				s.plan = plan.ID
				return nil
			}
		}
	}
	var made struct{ Plan struct{ ID string } }
	err = s.do(ctx, `mutation($product: ProductRef!, $tier: String!, $days: Int!) { planCreate(input: {product: $product, name: "Trigger", tier: $tier, trialDays: $days,
		features: [{name: "advancedReporting", kind: BOOLEAN, enabled: true}, {name: "maxEmployees", kind: LIMIT, limit: 50}],
		prices: [{interval: MONTH, money: {amountMinor: 4900, currency: "USD"}}]}) { plan { id } userErrors { code message } } }`,
		map[string]any{"product": product, "tier": tier, "days": days}, &made)
	s.plan = made.Plan.ID
	return err
}
