package rate

import (
	"net/netip"
	"strconv"

	"portico/internal/account"
)

// Rates are how much callers may ask for. The zero value of each is no limit.
type Rates struct {
	Servers   Limit // with a credential of a merchant's or a product's
	People    Limit // who have signed in
	Anonymous Limit // from one address
}

// An IPv6 subscriber has a network of this size to choose addresses from.
const subscriberBits = 64

// Payer is whose bucket pays for a caller, and how large it is. Whoever has no bucket of his own shares that of the address.
func (rates Rates) Payer(caller account.Caller, address netip.Addr) (key string, limit Limit) {
	switch caller.Kind {
	case account.KindAnonymous:
		return "ANONYMOUS/" + network(address), rates.Anonymous
	case account.KindAPIKey, account.KindClient, account.KindTokenKey:
		limit = rates.Servers
	default:
		limit = rates.People
	}
	id := caller.ID()
	switch {
	case caller.Kind == account.KindTokenKey: // of which each merchant has one
		id = caller.MerchantID
	case id == 0:
		return string(caller.Kind) + "/" + network(address), limit
	}
	return string(caller.Kind) + "/" + strconv.FormatInt(id, 10), limit
}

// network is the address, or the network that is one subscriber's.
func network(address netip.Addr) string {
	if address.Is6() {
		return netip.PrefixFrom(address, subscriberBits).Masked().String()
	}
	return address.String()
}
