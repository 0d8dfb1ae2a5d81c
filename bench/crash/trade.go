package main

import (
	"context"
	"fmt"
	"time"
)

const cardGood = "pm_card_visa"

// trade sells and changes things, one at a time, until the market closes. Most sales are in the first half of the run, so that there
// is something to renew.
func (m *merchant) trade(ctx context.Context) error {
	pace := m.market.o.lasting / time.Duration(m.market.o.customers+1) / 4
	for m.market.rest(ctx, pace) {
		var err error
		switch dice := m.random.IntN(20); {
		case len(m.customers) < m.market.o.customers && dice < 14:
			err = m.welcome(ctx)
		case len(m.customers) > 0:
			err = m.attend(ctx, m.customers[m.random.IntN(len(m.customers))])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// attend does something for one customer.
func (m *merchant) attend(ctx context.Context, c *customer) error {
	switch dice := m.random.IntN(10); {
	case c.wants:
		return m.sell(ctx, c)
	case dice < 8:
		return m.replaceCard(ctx, c)
	default:
		return m.cancelOrNot(ctx, c)
	}
}

// welcome creates a customer and sells to them.
func (m *merchant) welcome(ctx context.Context) error {
	c := &customer{
		email: fmt.Sprintf("customer-%d-%d@crash.example", m.n, len(m.customers)+1), plan: tierPro, clock: m.random.IntN(clocksPerMerchant+1) - 1,
	}
	if c.clock >= 0 {
		c.plan = []string{tierPro, tierPro, tierPro, tierTrial, tierTrial, tierFree}[m.random.IntN(6)]
	}
	m.customers = append(m.customers, c)
	input := object{"email": c.email, "name": "Customer", "userMeta": object{"note": "<b>&\u2028", "7": 1.5}}
	if c.clock >= 0 {
		input["testClock"] = m.clocks[c.clock]
	}
	made, err := m.client.do(ctx, "customerCreate", `mutation($in: CustomerCreateInput!) {
		customerCreate(input: $in) { customer { id } userErrors { code message } } }`, object{"in": input})
	if err != nil {
		return err
	}
	if made.code != "" && (made.code != "TAKEN" || !made.again) {
		m.market.failures.complain("customerCreate of %s: %s: %s", c.email, made.code, made.message)
	}
	// Some try without a card, which is enough for a trial.
	if c.plan != tierTrial || m.random.IntN(4) > 0 {
		if err := m.attach(ctx, c, m.anyCard()); err != nil {
			return err
		}
	}
	return m.sell(ctx, c)
}

func (m *merchant) anyCard() string {
	switch m.random.IntN(10) {
	case 0:
		return "pm_card_chargeCustomerFail"
	case 1:
		return "pm_card_chargeCustomerFailInsufficientFunds"
	}
	return cardGood
}

func (m *merchant) attach(ctx context.Context, c *customer, card string) error {
	attached, err := m.client.do(ctx, "paymentMethodAttach", `mutation($in: PaymentMethodAttachInput!) {
		paymentMethodAttach(input: $in) { paymentMethod { last4 } userErrors { code message } } }`,
		object{"in": object{"customer": object{"email": c.email}, "token": card}})
	if err != nil {
		return err
	}
	switch attached.code {
	case "":
	case "PAYMENT_FAILED": // the provider's answer was lost again and again
		return m.attach(ctx, c, card)
	default:
		m.market.failures.complain("paymentMethodAttach of %s to %s: %s: %s", card, c.email, attached.code, attached.message)
	}
	c.card = card
	return nil
}

// sell asks for the subscription. As long as it is not clear what became of it, the customer goes on wanting it.
func (m *merchant) sell(ctx context.Context, c *customer) error {
	sale, err := m.client.do(ctx, "subscriptionCreate", `mutation($in: SubscriptionCreateInput!) {
		subscriptionCreate(input: $in) { subscription { id status } userErrors { code message } } }`,
		object{"in": object{"customer": object{"email": c.email}, "plan": m.plans[c.plan], "interval": "MONTH"}})
	if err != nil {
		return err
	}
	if id := sale.text("subscription.id"); id != "" {
		c.subscription = id
	}
	c.wants, c.unclear = false, c.unclear || sale.again
	switch {
	case sale.code == "" && sale.text("subscription.status") != "INCOMPLETE":
		c.sold = true
	case sale.code == "": // the payment provider's answer was lost
		c.wants, c.unclear = true, true
	case sale.code == "CONFLICT" && c.unclear: // the payment is under way
		c.wants = true
	case sale.code == "PAYMENT_FAILED" && c.card != cardGood:
		if c.wants = m.random.IntN(2) == 0; c.wants {
			return m.attach(ctx, c, cardGood)
		}
	case c.unclear && (sale.code == "ACTIVE_PURCHASE_EXISTS" || sale.code == "REQUIRED"): // the second: it was a trial, and is over
		return m.find(ctx, c)
	default:
		m.market.failures.complain("subscriptionCreate for %s with %q: %s: %s", c.email, c.card, sale.code, sale.message)
	}
	return nil
}

// find looks for a subscription that was sold without our hearing of it.
func (m *merchant) find(ctx context.Context, c *customer) error {
	found, err := m.client.do(ctx, "", `query($email: String!) { subscriptions(customer: {email: $email}) { nodes { id } } }`, object{"email": c.email})
	if err != nil {
		return err
	}
	nodes := found.list("subscriptions.nodes")
	if len(nodes) == 0 {
		m.market.failures.complain("%s has an active purchase, and no subscription", c.email)
		return nil
	}
	c.subscription, c.sold = nodes[0].text("id"), true
	return nil
}

// cancelOrNot cancels, or takes a cancellation back.
func (m *merchant) cancelOrNot(ctx context.Context, c *customer) error {
	if c.subscription == "" {
		return nil
	}
	if c.canceled && m.random.IntN(2) == 0 {
		c.canceled = false
		back, err := m.client.do(ctx, "subscriptionUncancel", `mutation($id: ID!) {
			subscriptionUncancel(input: {subscription: $id}) { userErrors { code message } } }`, object{"id": c.subscription})
		if err == nil && back.code != "" && back.code != "CONFLICT" {
			m.market.failures.complain("subscriptionUncancel of %s: %s: %s", c.subscription, back.code, back.message)
		}
		return err
	}
	over, err := m.client.do(ctx, "subscriptionCancel", `mutation($id: ID!, $atEnd: Boolean!) {
		subscriptionCancel(input: {subscription: $id, atPeriodEnd: $atEnd, reason: "enough"}) { userErrors { code message } } }`,
		object{"id": c.subscription, "atEnd": m.random.IntN(3) > 0})
	if err != nil {
		return err
	}
	switch over.code {
	case "":
		c.canceled = true
	case "CONFLICT": // it has ended, or a payment is under way
	default:
		m.market.failures.complain("subscriptionCancel of %s: %s: %s", c.subscription, over.code, over.message)
	}
	return nil
}

// replaceCard gives a customer another card, which may be a bad one.
func (m *merchant) replaceCard(ctx context.Context, c *customer) error {
	card := m.anyCard()
	if c.card != cardGood {
		card = cardGood
	}
	return m.attach(ctx, c, card)
}
