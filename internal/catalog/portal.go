package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"portico/db"
	"portico/internal/account"
)

// row names a product or a plan among all merchants.
type row struct{ merchantID, id int64 }

// sight finds those of the rows with these ids that a caller of the portal sees.
type sight func(ctx context.Context, caller account.Caller, ids []int64) ([]row, error)

// named are the ids that a caller may read, by merchant: all of its own merchant, and in the portal only what is in its sight.
func (c *Catalog) named(ctx context.Context, caller account.Caller, ids []int64, inSight sight) (map[int64][]int64, error) {
	if !caller.InPortal() {
		return map[int64][]int64{caller.MerchantID: ids}, nil
	}
	rows, err := inSight(ctx, caller, ids)
	byMerchant := make(map[int64][]int64)
	for _, r := range rows {
		byMerchant[r.merchantID] = append(byMerchant[r.merchantID], r.id)
	}
	return byMerchant, err
}

func (c *Catalog) productsInSight(ctx context.Context, caller account.Caller, ids []int64) ([]row, error) {
	merchantIDs, customerIDs := caller.Columns()
	found, err := c.DB.ProductsInSight(ctx, c.DB.Tenant(merchantIDs...), db.ProductsInSightParams{
		MerchantIds: merchantIDs, CustomerIds: customerIDs, Ids: ids,
	})
	if err != nil {
		return nil, fmt.Errorf("find the products in a caller's sight: %w", err)
	}
	rows := make([]row, len(found))
	for i, f := range found {
		rows[i] = row{f.MerchantID, f.ID}
	}
	return rows, nil
}

func (c *Catalog) plansInSight(ctx context.Context, caller account.Caller, ids []int64) ([]row, error) {
	return c.plansSeen(ctx, caller, db.PlansInSightParams{Ids: ids})
}

// plansOfProductsInSight names the plans of products: those that were bought, and not those that were offered to others.
func (c *Catalog) plansOfProductsInSight(ctx context.Context, caller account.Caller, productIDs []int64) ([]row, error) {
	return c.plansSeen(ctx, caller, db.PlansInSightParams{ProductIds: productIDs})
}

func (c *Catalog) boughtPlans(ctx context.Context, caller account.Caller, productIDs []int64, parts PlanParts) (map[int64][]Plan, error) {
	named, err := c.named(ctx, caller, productIDs, c.plansOfProductsInSight)
	if err != nil {
		return nil, err
	}
	plans, err := c.plansNamed(ctx, named, parts)
	if err != nil {
		return nil, err
	}
	byProduct := make(map[int64][]Plan, len(productIDs))
	for _, id := range slices.Sorted(maps.Keys(plans)) {
		byProduct[plans[id].ProductID] = append(byProduct[plans[id].ProductID], plans[id])
	}
	return byProduct, nil
}

func (c *Catalog) plansSeen(ctx context.Context, caller account.Caller, p db.PlansInSightParams) ([]row, error) {
	p.MerchantIds, p.CustomerIds = caller.Columns()
	found, err := c.DB.PlansInSight(ctx, c.DB.Tenant(p.MerchantIds...), p)
	if err != nil {
		return nil, fmt.Errorf("find the plans in a caller's sight: %w", err)
	}
	rows := make([]row, len(found))
	for i, f := range found {
		rows[i] = row{f.MerchantID, f.ID}
	}
	return rows, nil
}
