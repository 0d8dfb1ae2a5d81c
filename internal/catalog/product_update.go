package catalog

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
)

// ProductUpdate says what is to be different about a product. What is nil stays; an empty URL is taken away.
type ProductUpdate struct {
	ProductID            int64
	Name                 *string
	Description          *string
	LaunchURL            *string
	UpgradeURL           *string
	LogoURL              *string
	IntegrationPageURL   *string
	LaunchTTLSeconds     *int32
	SeatAssignment       *bool
	AccessTokenAlgorithm *string
}

// ProductUpdate changes a product. What its review was about (name, launch URL, integration page URL: what customers are told it
// is, and where Portico sends them with a token) cannot change during a review, and puts an APPROVED product back to DRAFT, so that
// it is not shown in public until it has been reviewed again. What has been sold goes on.
func (c *Catalog) ProductUpdate(ctx context.Context, caller account.Caller, in ProductUpdate) (Product, error) {
	product, err := c.change(ctx, caller, in.ProductID, func(tx pgx.Tx, before db.Product) error {
		after, err := in.applied(before)
		if err != nil {
			return err
		}
		if changesReviewed(before, after) {
			switch before.Status {
			case InReview:
				return fault.New(fault.CodeConflict, "", "is in review: name, launchUrl and integrationPageUrl cannot change before it is over")
			case Approved:
				after.Status = Draft
			}
		}
		_, err = c.DB.UpdateProduct(ctx, tx, db.UpdateProductParams{
			MerchantID: after.MerchantID, ID: after.ID, Name: after.Name, Description: after.Description, LaunchUrl: after.LaunchUrl,
			UpgradeUrl: after.UpgradeUrl, LogoUrl: after.LogoUrl, IntegrationPageUrl: after.IntegrationPageUrl,
			LaunchTtlSeconds: after.LaunchTtlSeconds, SeatAssignment: after.SeatAssignment, AccessTokenAlgorithm: after.AccessTokenAlgorithm, Status: after.Status,
		})
		return err
	})
	if err != nil {
		return Product{}, fmt.Errorf("update product: %w", err)
	}
	return product, nil
}

// applied is the product as it is to be.
func (in ProductUpdate) applied(row db.Product) (db.Product, error) {
	var check fault.Check
	for _, given := range []struct {
		text   *string
		column *string
	}{{in.Name, &row.Name}, {in.LaunchURL, &row.LaunchUrl}} {
		if given.text != nil {
			*given.column = strings.TrimSpace(*given.text)
		}
	}
	if in.Description != nil {
		row.Description = *in.Description
	}
	if in.LaunchTTLSeconds != nil {
		row.LaunchTtlSeconds = *in.LaunchTTLSeconds
	}
	if in.SeatAssignment != nil {
		row.SeatAssignment = *in.SeatAssignment
	}
	if in.AccessTokenAlgorithm != nil {
		row.AccessTokenAlgorithm = *in.AccessTokenAlgorithm
	}
	check.Add(checkAlgorithm(row.AccessTokenAlgorithm))
	checkProduct(&check, row.Name, row.Description, row.LaunchUrl)
	for _, given := range []struct {
		field  string
		text   *string
		column **string
	}{
		{"upgradeUrl", in.UpgradeURL, &row.UpgradeUrl}, {"logoUrl", in.LogoURL, &row.LogoUrl},
		{"integrationPageUrl", in.IntegrationPageURL, &row.IntegrationPageUrl},
	} {
		switch {
		case given.text == nil:
		case strings.TrimSpace(*given.text) == "":
			*given.column = nil
		default:
			*given.column = optionalURL(&check, given.field, given.text)
		}
	}
	check.Add(checkLaunchTTL(row.LaunchTtlSeconds))
	return row, check.Err()
}

func changesReviewed(before, after db.Product) bool {
	return before.Name != after.Name || before.LaunchUrl != after.LaunchUrl ||
		orEmpty(before.IntegrationPageUrl) != orEmpty(after.IntegrationPageUrl)
}

func orEmpty(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// change is one change to one product that the caller named by its id: lock, decide, write, read.
func (c *Catalog) change(
	ctx context.Context, caller account.Caller, id int64, act func(pgx.Tx, db.Product) error,
) (Product, error) {
	err := c.DB.Tenant(caller.MerchantID).Tx(ctx, func(tx pgx.Tx) error {
		row, err := c.DB.LockProduct(ctx, tx, db.LockProductParams{MerchantID: caller.MerchantID, ID: id})
		if db.IsNoRows(err) {
			return fault.NotFound("id", "product")
		}
		if err != nil {
			return err
		}
		return act(tx, row)
	})
	if err != nil {
		return Product{}, err
	}
	return c.Product(ctx, caller, ProductRef{ID: &id})
}
