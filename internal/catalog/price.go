package catalog

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/fault"
	"portico/internal/money"
)

const (
	maxPrices      = 50
	maxAmountMinor = 1<<53 - 1 // JavaScript reads no greater one exactly
)

// Interval is how long a period lasts that a price pays for.
type Interval string

// The intervals.
const (
	Month Interval = "MONTH"
	Year  Interval = "YEAR"
)

// Price is what a plan costs per seat for one interval and in one currency. It never changes.
type Price struct {
	ID       int64
	Interval Interval
	Money    money.Money
}

// PriceInput is a price to be.
type PriceInput struct {
	Interval Interval
	Money    money.Money
}

func checkPrices(check *fault.Check, prices []PriceInput) {
	switch {
	case len(prices) == 0:
		check.Add(fault.Required("prices"))
		return
	case len(prices) > maxPrices:
		check.Add(fault.Invalid("prices", "must be at most %d", maxPrices))
		return
	}
	type key struct {
		interval Interval
		currency string
	}
	seen := make(map[key]bool, len(prices))
	for i, price := range prices {
		field := fmt.Sprintf("prices.%d", i)
		if price.Interval != Month && price.Interval != Year {
			check.Add(fault.Invalid(field+".interval", "must be MONTH or YEAR"))
		}
		if _, known := money.Exponent(price.Money.Currency); !known {
			check.Add(fault.Invalid(field+".money.currency", "must be the upper-case ISO 4217 code of a currency in use"))
		}
		if price.Money.Minor < 0 || price.Money.Minor > maxAmountMinor {
			check.Add(fault.Invalid(field+".money.amountMinor", "must be between 0 and %d", maxAmountMinor))
		}
		one := key{price.Interval, price.Money.Currency}
		if seen[one] {
			check.Add(fault.Invalid(field, "is a second price for the same interval and currency"))
		}
		seen[one] = true
	}
}

func (c *Catalog) insertPrices(
	ctx context.Context, tx pgx.Tx, merchantID, planID int64, inputs []PriceInput,
) ([]Price, error) {
	params := db.InsertPricesParams{MerchantID: merchantID, PlanID: planID}
	for _, in := range inputs {
		params.Intervals = append(params.Intervals, string(in.Interval))
		params.Currencies = append(params.Currencies, in.Money.Currency)
		params.AmountsMinor = append(params.AmountsMinor, in.Money.Minor)
	}
	rows, err := c.DB.InsertPrices(ctx, tx, params)
	if err != nil {
		return nil, err
	}
	prices := make([]Price, len(rows))
	for i, row := range rows {
		prices[i] = priceOf(db.Price(row))
	}
	return prices, nil
}

// pricesOf is the prices of each of the named plans, as they were given.
func (c *Catalog) pricesOf(ctx context.Context, merchantID int64, planIDs []int64) (map[int64][]Price, error) {
	if len(planIDs) == 0 {
		return nil, nil
	}
	rows, err := c.DB.PricesOfPlans(ctx, c.DB.Tenant(merchantID), db.PricesOfPlansParams{
		MerchantID: merchantID, PlanIds: planIDs,
	})
	if err != nil {
		return nil, fmt.Errorf("find prices: %w", err)
	}
	prices := make(map[int64][]Price, len(planIDs))
	for _, row := range rows {
		prices[row.PlanID] = append(prices[row.PlanID], priceOf(row))
	}
	return prices, nil
}

func priceOf(row db.Price) Price {
	return Price{ID: row.ID, Interval: Interval(row.Interval), Money: money.Money{Minor: row.AmountMinor, Currency: row.Currency}}
}
