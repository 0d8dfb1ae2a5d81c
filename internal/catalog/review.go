package catalog

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"portico/db"
	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/page"
	"portico/internal/secret"
	"portico/internal/webhook"
)

// Withdrawn is the status of a review whose product was archived before it was over. The other statuses are those of products.
const Withdrawn = "WITHDRAWN"

const (
	maxTestCredentials = 5_000
	maxReviewNotes     = 5_000
	maxRejection       = 2_000
)

// Review is one look of the operators at a product.
type Review struct {
	ID              int64
	MerchantID      int64
	ProductID       int64
	Status          string // IN_REVIEW, APPROVED, REJECTED or WITHDRAWN
	Notes           string // the merchant's
	TestCredentials *secret.Text
	Reason          *string // why it was rejected
	SubmittedAt     time.Time
	ClosedAt        *time.Time
}

// SubmitForReview asks for a review of a product.
type SubmitForReview struct {
	ProductID       int64
	TestCredentials string // free text for the reviewer, kept until the review is over
	Notes           string
}

// ProductSubmitForReview puts a product that is a DRAFT, or was REJECTED, before the operators. The test credentials are sealed, are
// shown to operators only, and are erased when the review is over.
func (c *Catalog) ProductSubmitForReview(ctx context.Context, caller account.Caller, in SubmitForReview) (Product, error) {
	var check fault.Check
	in.TestCredentials, in.Notes = strings.TrimSpace(in.TestCredentials), strings.TrimSpace(in.Notes)
	if in.TestCredentials == "" {
		check.Add(fault.Required("testCredentials"))
	}
	check.Add(checkText("testCredentials", in.TestCredentials, maxTestCredentials))
	check.Add(checkText("notes", in.Notes, maxReviewNotes))
	if err := check.Err(); err != nil {
		return Product{}, err
	}
	product, err := c.change(ctx, caller, in.ProductID, func(tx pgx.Tx, row db.Product) error {
		if row.Status != Draft && row.Status != Rejected {
			return fault.New(fault.CodeConflict, "", "cannot be submitted: it is %s", row.Status)
		}
		id, err := c.DB.NextReviewID(ctx, tx)
		if err != nil {
			return err
		}
		_, err = c.DB.InsertReview(ctx, tx, db.InsertReviewParams{
			MerchantID: row.MerchantID, ID: id, ProductID: row.ID, Notes: in.Notes, SubmittedAt: c.Now(),
			TestCredentialsCipher: c.Keys.Seal(TestCredentialsIdentity(id), secret.Text(in.TestCredentials)),
		})
		if err != nil {
			return err
		}
		return c.setStatus(ctx, tx, row, InReview)
	})
	if err != nil {
		return Product{}, fmt.Errorf("submit a product for review: %w", err)
	}
	return product, nil
}

// ProductArchive ends the sale of a product for good: what has been sold goes on, nothing new is sold. A review under way is
// withdrawn. Archiving again changes nothing.
func (c *Catalog) ProductArchive(ctx context.Context, caller account.Caller, id int64) (Product, error) {
	product, err := c.change(ctx, caller, id, func(tx pgx.Tx, row db.Product) error {
		if row.Status == InReview {
			if _, err := c.closeReview(ctx, tx, row, db.CloseReviewParams{Status: Withdrawn}); err != nil {
				return err
			}
		}
		return c.setStatus(ctx, tx, row, Archived)
	})
	if err != nil {
		return Product{}, fmt.Errorf("archive a product: %w", err)
	}
	return product, nil
}

// Verdict is an operator's on a product.
type Verdict struct {
	ProductID int64
	ReviewID  *int64 // CONFLICT unless this is the review that is under way, when given
	Approved  bool
	Reason    string // why not
}

// Judge ends the review of a product, tells the merchant's webhooks of it, and returns the review. It is a CONFLICT for a product that
// is not IN_REVIEW, be it that another operator was faster.
func (c *Catalog) Judge(ctx context.Context, caller account.Caller, in Verdict) (Review, error) {
	if err := operatorsOnly(caller); err != nil {
		return Review{}, err
	}
	status, kind, reason := Approved, webhook.ProductApproved, (*string)(nil)
	if !in.Approved {
		in.Reason = strings.TrimSpace(in.Reason)
		if in.Reason == "" {
			return Review{}, fault.Required("reason")
		}
		if wrong := checkText("reason", in.Reason, maxRejection); wrong != nil {
			return Review{}, wrong
		}
		status, kind, reason = Rejected, webhook.ProductRejected, &in.Reason
	}
	var review Review
	err := c.DB.System().Tx(ctx, func(tx pgx.Tx) error {
		row, err := c.DB.LockProductOfAnyMerchant(ctx, tx, in.ProductID)
		if db.IsNoRows(err) {
			return fault.NotFound("id", "product")
		}
		if err != nil {
			return err
		}
		if row.Status != InReview {
			return fault.New(fault.CodeConflict, "id", "is not in review: it is %s", row.Status)
		}
		review, err = c.closeReview(ctx, tx, row, db.CloseReviewParams{Status: status, Reason: reason, OperatorID: &caller.OperatorID})
		if err != nil {
			return err
		}
		if in.ReviewID != nil && *in.ReviewID != review.ID {
			return fault.New(fault.CodeConflict, "review", "is over: the product has been submitted again since")
		}
		if err := c.setStatus(ctx, tx, row, status); err != nil {
			return err
		}
		return c.announce(ctx, tx, kind, row, status, reason)
	})
	if err != nil {
		return Review{}, fmt.Errorf("judge a product: %w", err)
	}
	return review, nil
}

func (c *Catalog) announce(ctx context.Context, tx pgx.Tx, kind webhook.Type, row db.Product, status string, reason *string) error {
	var why any
	if reason != nil {
		why = *reason
	}
	return c.Webhooks.Announce(ctx, tx, webhook.Announcement{
		MerchantID: row.MerchantID, ProductID: row.ID, Type: kind, Data: webhook.Object{
			{Key: "productId", Value: row.ID},
			{Key: "productIdentifier", Value: row.Identifier},
			{Key: "status", Value: strings.ToLower(status)},
			{Key: "reason", Value: why},
		},
	})
}

func (c *Catalog) closeReview(ctx context.Context, tx pgx.Tx, row db.Product, outcome db.CloseReviewParams) (Review, error) {
	now := c.Now()
	outcome.MerchantID, outcome.ProductID, outcome.ClosedAt = row.MerchantID, row.ID, &now
	closed, err := c.DB.CloseReview(ctx, tx, outcome)
	if err != nil {
		return Review{}, fmt.Errorf("close the review of product %d: %w", row.ID, err)
	}
	return reviewOf(closed), nil
}

func (c *Catalog) setStatus(ctx context.Context, tx pgx.Tx, row db.Product, status string) error {
	return c.DB.SetProductStatus(ctx, tx, db.SetProductStatusParams{MerchantID: row.MerchantID, ID: row.ID, Status: status})
}

// Reviews lists reviews of all merchants for operators, oldest first, of one status or (nil) of all, with their test credentials: up
// to a row more than the page, which tells whether there is another.
func (c *Catalog) Reviews(ctx context.Context, caller account.Caller, status *string, request page.Request) ([]Review, error) {
	if err := operatorsOnly(caller); err != nil {
		return nil, err
	}
	rows, err := c.DB.ReviewQueue(ctx, c.DB.System(), db.ReviewQueueParams{After: request.After, Status: status, Size: request.Limit()})
	if err != nil {
		return nil, fmt.Errorf("list reviews: %w", err)
	}
	reviews := make([]Review, len(rows))
	for i, row := range rows {
		reviews[i] = reviewOf(row)
		if row.TestCredentialsCipher == nil {
			continue
		}
		opened, err := c.Keys.Open(TestCredentialsIdentity(row.ID), row.TestCredentialsCipher)
		if err != nil {
			return nil, fmt.Errorf("open the test credentials of review %d: %w", row.ID, err)
		}
		reviews[i].TestCredentials = &opened
	}
	return reviews, nil
}

// ReviewsByProduct is the reviews of each of the merchant's products, newest first, without test credentials.
func (c *Catalog) ReviewsByProduct(ctx context.Context, caller account.Caller, productIDs []int64) (map[int64][]Review, error) {
	rows, err := c.DB.ReviewsOfProducts(ctx, c.DB.Tenant(caller.MerchantID), db.ReviewsOfProductsParams{
		MerchantID: caller.MerchantID, ProductIds: productIDs,
	})
	if err != nil {
		return nil, fmt.Errorf("list reviews of products: %w", err)
	}
	reviews := make(map[int64][]Review, len(productIDs))
	for _, row := range rows {
		reviews[row.ProductID] = append(reviews[row.ProductID], reviewOf(row))
	}
	return reviews, nil
}

func reviewOf(row db.ProductReview) Review {
	return Review{
		ID: row.ID, MerchantID: row.MerchantID, ProductID: row.ProductID, Status: row.Status, Notes: row.Notes, Reason: row.Reason,
		SubmittedAt: row.SubmittedAt, ClosedAt: row.ClosedAt,
	}
}

// TestCredentialsIdentity names the column that holds a review's test credentials, as Keyring.Seal and Keyring.Open want it.
func TestCredentialsIdentity(reviewID int64) string {
	return "product_review/" + strconv.FormatInt(reviewID, 10) + "/test_credentials"
}

// operatorsOnly stands behind the door, because what operators do reaches every merchant.
func operatorsOnly(caller account.Caller) error {
	if caller.Kind != account.KindOperator {
		return fault.New(fault.CodeForbidden, "", "only operators may do this")
	}
	return nil
}
