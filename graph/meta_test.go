package graph_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"portico/internal/webhook/webhooktest"
)

// TestUserMetaComesBackInEventsAsItWasGiven drives metadata through the whole way: the request, jsonb, and the body that receivers
// compute their signature over.
func TestUserMetaComesBackInEventsAsItWasGiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sandbox("Acorn")
	s.stock("rosterly")
	free := w.must(s.key, `mutation($product: ID!) { planCreate(input: {product: {id: $product}, name: "Free", tier: "free",
		prices: [{interval: MONTH, money: {amountMinor: 0, currency: "USD"}}]}) { plan { id } userErrors { code } } }`,
		variables{"product": s.ids["Product"]}).text("planCreate.plan.id")
	node := webhooktest.StartNode(t)
	const atOnce = 4
	var events int64
	require.Empty(t, s.bodiesSince(&events))
	customers := 0
	rapid.Check(t, func(r *rapid.T) {
		metas := rapid.SliceOfN(webhooktest.Metadata(4), 1, atOnce).Draw(r, "userMeta")
		w.now = w.now.Add(time.Minute) // the API key's points come back
		var document strings.Builder
		vars := variables{"plan": free}
		for i, meta := range metas {
			customers++
			email := fmt.Sprintf("customer-%d@example.test", customers)
			fmt.Fprintf(&document, `c%d: customerCreate(input: {email: %q, name: "Ada", userMeta: $meta%d}) { userErrors { code message } }
				s%d: subscriptionCreate(input: {customer: {email: %q}, plan: $plan, interval: MONTH}) { userErrors { code message } } `, i, email, i, i, email)
			vars[fmt.Sprintf("meta%d", i)] = json.RawMessage(meta)
		}
		names := `$meta0: JSON`
		for i := range metas[1:] {
			names += fmt.Sprintf(`, $meta%d: JSON`, i+1)
		}
		w.must(s.key, `mutation($plan: ID!, `+names+`) { `+document.String()+` }`, vars)

		const perSale = 3 // customer.created, invoice.created and subscription.created
		bodies := s.bodiesSince(&events)
		require.Len(r, bodies, perSale*len(metas))
		for i, body := range bodies {
			text, ok := node.Reads(r, []byte(body))
			require.True(r, ok)
			require.Equal(r, body, text)
			var event struct {
				Data struct{ UserMeta json.RawMessage }
			}
			require.NoError(r, json.Unmarshal([]byte(body), &event))
			require.NoError(r, webhooktest.SameMeaning([]byte(metas[i/perSale]), event.Data.UserMeta))
		}
	})
	require.Greater(t, customers, 100)
}

// bodiesSince are the bytes of the bodies of the events that have come since the last, and moves on. It asks for them by their ids, which
// count up: in events they show when no older transaction is open, be it in the database of another test.
func (s *shop) bodiesSince(last *int64) []string {
	s.w.t.Helper()
	ids := make([]string, 20)
	for i := range ids {
		ids[i] = fmt.Sprintf("gid://portico/Event/%d", *last+int64(i)+1)
	}
	a := s.w.must(s.key, `query($ids: [ID!]!) { nodes(ids: $ids) { ... on Event { body } } }`, variables{"ids": ids})
	var found struct {
		Data struct {
			Nodes []*struct{ Body json.RawMessage }
		}
	}
	require.NoError(s.w.t, json.Unmarshal([]byte(a.raw), &found))
	var bodies []string
	for _, event := range found.Data.Nodes {
		if event != nil {
			bodies = append(bodies, string(event.Body))
			*last++
		}
	}
	return bodies
}
