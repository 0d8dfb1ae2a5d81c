package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/page"
)

const (
	maxPlanNumber = 1<<53 - 1 // JavaScript reads no greater one exactly
	maxTrialDays  = 730
)

// Plan is a way to buy a product.
type Plan struct {
	ID         int64
	MerchantID int64
	ProductID  int64
	Number     int64 // the merchant's own, unique within the product; the ID unless given
	Name       string
	Tier       string  // the code that tokens and webhooks carry, such as pro
	TrialDays  int32   // 0 for no trial
	Prices     []Price // as they were given
	CreatedAt  time.Time

	features json.RawMessage // nil where they were not read
}

// PlanParts are what is read of plans only for those who ask, because it costs more than all the rest.
type PlanParts struct{ Features bool }

// Features are what the plan includes. A plan that was read without them does not know.
func (p Plan) Features() (Features, error) {
	if p.features == nil {
		return nil, fmt.Errorf("plan %d was read without its features", p.ID)
	}
	features, err := ReadFeatures(p.features)
	if err != nil {
		return nil, fmt.Errorf("plan %d: %w", p.ID, err)
	}
	return features, nil
}

// PlanCreate is the input of Catalog.PlanCreate.
type PlanCreate struct {
	Product   ProductRef
	Number    *int64 // the plan's id when nil
	Name      string
	Tier      string
	TrialDays int32
	Features  []FeatureInput
	Prices    []PriceInput
}

var tierCode = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

func (in *PlanCreate) check(check *fault.Check) Features {
	if in.Number != nil && (*in.Number < 1 || *in.Number > maxPlanNumber) {
		check.Add(fault.Invalid("number", "must be between 1 and %d", maxPlanNumber))
	}
	in.Name = strings.TrimSpace(in.Name)
	check.Add(checkLine("name", in.Name, maxNameLength))
	switch {
	case in.Tier == "":
		check.Add(fault.Required("tier"))
	case !tierCode.MatchString(in.Tier):
		check.Add(fault.Invalid("tier",
			"must be up to 64 lower-case letters, digits, hyphens and underscores, starting with a letter or a digit"))
	}
	if in.TrialDays < 0 || in.TrialDays > maxTrialDays {
		check.Add(fault.Invalid("trialDays", "must be between 0 and %d", maxTrialDays))
	}
	features := checkList(check, "features", in.Features)
	checkPrices(check, in.Prices)
	return features
}

// PlanCreate adds a plan with its features and prices to a product.
func (c *Catalog) PlanCreate(ctx context.Context, caller account.Caller, in PlanCreate) (Plan, error) {
	var check fault.Check
	features := in.check(&check)
	product, err := c.Product(ctx, caller, in.Product)
	if err != nil {
		faults := fault.List(err)
		if faults == nil {
			return Plan{}, fmt.Errorf("create plan: %w", err)
		}
		for _, wrong := range faults {
			check.Add(wrong)
		}
	}
	if err := check.Err(); err != nil {
		return Plan{}, err
	}
	column, err := features.stored()
	if err != nil {
		return Plan{}, fmt.Errorf("create plan: %w", err)
	}
	var made Plan
	err = c.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		row, err := c.insertPlan(ctx, tx, in.Number, db.InsertPlanParams{
			MerchantID: caller.MerchantID, ProductID: product.ID, Name: in.Name, Tier: in.Tier, TrialDays: in.TrialDays,
			Features: column, CreatedAt: c.Now(),
		})
		if err != nil {
			return err
		}
		made = planOf(row)
		made.Prices, err = c.insertPrices(ctx, tx, caller.MerchantID, made.ID, in.Prices)
		return err
	})
	if err != nil {
		return Plan{}, fmt.Errorf("create plan: %w", err)
	}
	return made, nil
}

// insertPlan saves the plan under the number that is given, or else under its id. An id that the merchant has given to another
// plan of the product as its number is passed over.
func (c *Catalog) insertPlan(ctx context.Context, tx pgx.Tx, given *int64, row db.InsertPlanParams) (db.Plan, error) {
	for {
		id, err := c.DB.NextPlanID(ctx, tx)
		if err != nil {
			return db.Plan{}, err
		}
		row.ID, row.Number = id, id
		if given != nil {
			row.Number = *given
		}
		made, err := c.DB.InsertPlan(ctx, tx, row)
		switch {
		case !db.IsNoRows(err):
			return made, err
		case given != nil:
			return made, fault.Taken("number", "is the number of another plan of this product")
		}
	}
}

// Plans lists the plans of one product, or of all when product is nil, newest first: up to a row more than the page, which tells
// whether there is another.
func (c *Catalog) Plans(ctx context.Context, caller account.Caller, product *ProductRef, parts PlanParts, r page.Request) ([]Plan, error) {
	params := db.PlansParams{MerchantID: caller.MerchantID, WithFeatures: parts.Features, Before: r.Before(), Size: r.Limit()}
	if product != nil {
		found, err := c.Product(ctx, caller, *product)
		if err != nil {
			return nil, err
		}
		params.ProductID = &found.ID
	}
	rows, err := c.DB.Plans(ctx, c.DB.Tenant(caller.MerchantID), params)
	if err != nil {
		return nil, fmt.Errorf("list plans: %w", err)
	}
	plans := make([]Plan, len(rows))
	for i, row := range rows {
		plans[i] = planOf(db.Plan(row))
	}
	return plans, c.addPrices(ctx, caller.MerchantID, plans)
}

// Plan is the one with that id, NOT_FOUND when the merchant has no such plan.
func (c *Catalog) Plan(ctx context.Context, caller account.Caller, id int64) (Plan, error) {
	plans, err := c.PlansByID(ctx, caller, []int64{id}, PlanParts{Features: true})
	if err != nil {
		return Plan{}, err
	}
	found, ok := plans[id]
	if !ok {
		return Plan{}, fault.NotFound("plan", "plan")
	}
	return found, nil
}

// PlanByNumber is the product's plan with the merchant's own number. Fault: NOT_FOUND on plan.
func (c *Catalog) PlanByNumber(ctx context.Context, caller account.Caller, productID, number int64) (Plan, error) {
	id, err := c.DB.PlanOfNumber(ctx, c.DB.Tenant(caller.MerchantID), db.PlanOfNumberParams{
		MerchantID: caller.MerchantID, ProductID: productID, Number: number,
	})
	if db.IsNoRows(err) {
		return Plan{}, fault.NotFound("plan", "plan")
	}
	if err != nil {
		return Plan{}, fmt.Errorf("find a plan by its number: %w", err)
	}
	return c.Plan(ctx, caller, id)
}

// PlansByID is those of the named plans that the merchant has, or of which a caller of the portal sees a subscription.
func (c *Catalog) PlansByID(ctx context.Context, caller account.Caller, ids []int64, parts PlanParts) (map[int64]Plan, error) {
	named, err := c.named(ctx, caller, ids, c.plansInSight)
	if err != nil {
		return nil, err
	}
	return c.plansNamed(ctx, named, parts)
}

// plansNamed reads plans of several merchants.
func (c *Catalog) plansNamed(ctx context.Context, named map[int64][]int64, parts PlanParts) (map[int64]Plan, error) {
	found := make(map[int64]Plan)
	for merchantID, ids := range named {
		rows, err := c.DB.PlansByID(ctx, c.DB.Tenant(merchantID), db.PlansByIDParams{
			MerchantID: merchantID, Ids: ids, WithFeatures: parts.Features,
		})
		if err != nil {
			return nil, fmt.Errorf("find plans: %w", err)
		}
		plans := make([]Plan, len(rows))
		for i, row := range rows {
			plans[i] = planOf(db.Plan(row))
		}
		if err := c.addPrices(ctx, merchantID, plans); err != nil {
			return nil, err
		}
		for _, one := range plans {
			found[one.ID] = one
		}
	}
	return found, nil
}

// PlansByProduct is the plans of each of the named products, oldest first. Callers of the portal get those that were bought.
func (c *Catalog) PlansByProduct(
	ctx context.Context, caller account.Caller, productIDs []int64, parts PlanParts,
) (map[int64][]Plan, error) {
	if caller.InPortal() {
		return c.boughtPlans(ctx, caller, productIDs, parts)
	}
	rows, err := c.DB.PlansOfProducts(ctx, c.DB.Tenant(caller.MerchantID), db.PlansOfProductsParams{
		MerchantID: caller.MerchantID, ProductIds: productIDs, WithFeatures: parts.Features,
	})
	if err != nil {
		return nil, fmt.Errorf("find plans of products: %w", err)
	}
	plans := make([]Plan, len(rows))
	for i, row := range rows {
		plans[i] = planOf(db.Plan(row))
	}
	if err := c.addPrices(ctx, caller.MerchantID, plans); err != nil {
		return nil, err
	}
	byProduct := make(map[int64][]Plan, len(productIDs))
	for _, one := range plans {
		byProduct[one.ProductID] = append(byProduct[one.ProductID], one)
	}
	return byProduct, nil
}

// addPrices loads the prices of all plans at once.
func (c *Catalog) addPrices(ctx context.Context, merchantID int64, plans []Plan) error {
	ids := make([]int64, len(plans))
	for i, plan := range plans {
		ids[i] = plan.ID
	}
	prices, err := c.pricesOf(ctx, merchantID, ids)
	if err != nil {
		return err
	}
	for i := range plans {
		plans[i].Prices = prices[plans[i].ID]
	}
	return nil
}

func planOf(row db.Plan) Plan {
	return Plan{
		ID:         row.ID,
		MerchantID: row.MerchantID,
		ProductID:  row.ProductID,
		Number:     row.Number,
		Name:       row.Name,
		Tier:       row.Tier,
		TrialDays:  row.TrialDays,
		CreatedAt:  row.CreatedAt.UTC(),
		features:   row.Features,
	}
}
