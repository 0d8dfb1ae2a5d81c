package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"portico/internal/money"
	"portico/internal/secret"
)

// The formats of an endpoint's bodies.
const (
	FormatPortal = "PORTAL" // the event's own body
	// FormatThin has ids only, and says how to ask for the rest.
	FormatThin = "THIN"
	// FormatPaymentNotification tells of payments alone, with the merchant's token_key in the header api-key.
	FormatPaymentNotification = "PAYMENT_NOTIFICATION"
)

var errNoNotification = errors.New("the event tells of no payment")

// story is what the formats take from an event's own body. What it holds is written as it stands there, so that a body is the same
// bytes for every attempt and by every release.
type story struct {
	Event, ID, Sequence, CreatedAt, Test json.RawMessage
	Data                                 struct {
		SubscriptionID, CustomerID, CompanyID, ProductID, ProductIdentifier, EndpointID json.RawMessage
		UserMeta                                                                        json.RawMessage
		Customer                                                                        struct{ ID, Email json.RawMessage }
		Invoice                                                                         struct{ ID json.RawMessage }
		Payment                                                                         struct {
			ID          json.RawMessage
			AmountMinor json.Number // or the text of one, beyond what a number holds
			Currency    string
		}
	}
}

// nameOf gives the merchant's own name for a subscription, nil where it has none.
type nameOf func(ctx context.Context, subscriptionID int64) (*secret.Text, error)

// render is the body for an endpoint of the format, made of the event's own body. Payment notifications of a subscription that was
// connected have the merchant's own name for it.
func render(ctx context.Context, format string, event []byte, name nameOf) ([]byte, error) {
	if format == FormatPortal {
		return event, nil
	}
	var s story
	if err := json.Unmarshal(event, &s); err != nil {
		return nil, fmt.Errorf("read an event: %w", err)
	}
	if format == FormatThin {
		return StableJSON(s.thin())
	}
	token, err := s.accessToken(ctx, name)
	if err != nil {
		return nil, err
	}
	body, err := s.notification(token)
	if err != nil {
		return nil, err
	}
	return StableJSON(body)
}

// accessToken is nil for a purchase in the portal, and for a sample.
func (s story) accessToken(ctx context.Context, name nameOf) (*secret.Text, error) {
	if s.Test != nil || s.Data.SubscriptionID == nil {
		return nil, nil //nolint:nilnil // there is none
	}
	var id int64
	if err := json.Unmarshal(s.Data.SubscriptionID, &id); err != nil {
		return nil, fmt.Errorf("read a subscription's id: %w", err)
	}
	return name(ctx, id)
}

// known leaves out what the event does not have.
func known(members ...Member) Object {
	var all Object
	for _, m := range members {
		if raw, isRaw := m.Value.(json.RawMessage); !isRaw || raw != nil {
			all = append(all, m)
		}
	}
	return all
}

func (s story) thin() Object {
	return known(
		Member{"event", s.Event}, Member{"id", s.ID}, Member{"sequence", s.Sequence}, Member{"createdAt", s.CreatedAt}, Member{"test", s.Test},
		Member{"data", known(
			Member{"subscriptionId", s.Data.SubscriptionID}, Member{"customerId", s.Data.CustomerID}, Member{"companyId", s.Data.CompanyID},
			Member{"productId", s.Data.ProductID}, Member{"productIdentifier", s.Data.ProductIdentifier},
			Member{"invoiceId", s.Data.Invoice.ID}, Member{"paymentId", s.Data.Payment.ID}, Member{"endpointId", s.Data.EndpointID},
		)},
		Member{"fetch", Object{
			{"query", "query($id: ID!) { node(id: $id) { ... on Event { body } } }"},
			{"variables", Object{{"id", "gid://portico/Event/" + strings.TrimPrefix(strings.Trim(string(s.ID), `"`), messagePrefix)}}},
		}},
	)
}

// notification has the members of the merchants' published interface. The customer goes along where there is no access token by which
// the merchant knows it.
func (s story) notification(accessToken *secret.Text) (Object, error) {
	minor, err := s.Data.Payment.AmountMinor.Int64()
	if err != nil || s.Data.Payment.ID == nil {
		return nil, errNoNotification
	}
	amount := json.Number(money.Money{Minor: minor, Currency: s.Data.Payment.Currency}.Decimal())
	var token any
	if accessToken != nil {
		token = string(*accessToken)
	}
	body := known(
		Member{"access_token", token}, Member{"product_identifier", s.Data.ProductIdentifier},
		Member{"amount", amount}, Member{"transaction_id", s.Data.Payment.ID},
	)
	if accessToken == nil {
		body = append(body, Member{"customer", known(
			Member{"id", s.Data.Customer.ID}, Member{"email", s.Data.Customer.Email}, Member{"userMeta", s.Data.UserMeta},
		)})
	}
	if s.Test != nil {
		body = append(body, Member{"test", s.Test})
	}
	return body, nil
}

// paymentKey is what payment notifications carry so that the merchant knows them for Portico's.
func (w *Webhooks) paymentKey(ctx context.Context, merchantID int64, format string) (secret.Text, error) {
	if format != FormatPaymentNotification {
		return "", nil
	}
	key, err := w.TokenKey(ctx, merchantID)
	if err != nil {
		return "", fmt.Errorf("find the token key of merchant %d: %w", merchantID, err)
	}
	return key, nil
}
