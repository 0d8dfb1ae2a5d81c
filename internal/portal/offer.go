package portal

import (
	"context"

	"portico/internal/account"
	"portico/internal/catalog"
	"portico/internal/fault"
)

// Offer is what the page of a product shows.
type Offer struct {
	Product catalog.PublicProduct
	Plans   []catalog.Plan // oldest first
	Preview bool           // customers do not see it: it is shown to a member of its merchant
}

// Shown tells whether the product is there to see. If not, nothing is known of it but whose it is and whether it was withdrawn.
func (o Offer) Shown() bool { return o.Product.Name != "" && !o.Withdrawn() }

// Withdrawn tells whether the product is no longer sold.
func (o Offer) Withdrawn() bool { return o.Product.Status == catalog.Archived }

// Offer is the product with an address as the shop shows it to the caller, or else to the member who sits before the same browser. What is
// shown to neither has a page as well, which says no more than that it is not sold: addresses of pages are handed out to apps and stay valid
// while a product waits for its review or is withdrawn. NOT_FOUND is for products that do not exist.
func (p *Portal) Offer(ctx context.Context, caller, member account.Caller, shop, identifier string) (Offer, error) {
	var offer Offer
	var err error
	offer.Product, err = p.Catalog.PublicProduct(ctx, caller, shop, identifier)
	if fault.Is(err, fault.CodeNotFound) && member.MemberID != 0 {
		offer.Preview = true
		offer.Product, err = p.Catalog.PublicProduct(ctx, member, shop, identifier)
	}
	if fault.Is(err, fault.CodeNotFound) {
		offer.Preview = false
		offer.Product, err = p.Catalog.Hidden(ctx, shop, identifier)
	}
	if err != nil || !offer.Shown() {
		offer.Preview = false
		return offer, err
	}
	plans, err := p.Catalog.PublicPlans(ctx, []catalog.PublicProduct{offer.Product})
	offer.Plans = plans[offer.Product.ID]
	return offer, err
}
