package graph

import (
	"context"

	"portico/internal/account"
)

// Company is account.Company as the schema shows it.
type Company struct{ account.Company }

func showCompany(row account.Company, _ *siblings[Company]) *Company { return &Company{row} }

// IsNode implements Node.
func (*Company) IsNode() {}

// ID is the global id.
func (c *Company) ID() string { return gid("Company", c.rowID()) }

func (c *Company) rowID() int64 { return c.Company.ID }

// Companies are the merchant's.
func (r query) Companies(ctx context.Context, personal bool, first *int32, after *string) (*Connection[Company], error) {
	request, err := pageOf(first, after)
	if err != nil {
		return nil, err
	}
	companies, err := r.Accounts.Companies(ctx, callerOf(ctx), personal, request)
	return connect(companies, err, request.Size, showCompany, (*Company).rowID)
}

func (r *Resolver) companies(ctx context.Context, ids []int64) (map[int64]*Company, error) {
	return readByID(ctx, "Company", ids, r.Accounts.CompaniesByID, showCompany)
}

// CompanyCreate creates a company.
func (r mutation) CompanyCreate(ctx context.Context, in CompanyCreateInput) (*CompanyCreatePayload, error) {
	company, err := r.Accounts.CompanyCreate(ctx, callerOf(ctx), account.CompanyCreate{Name: in.Name})
	if err != nil {
		refused, err := userErrors(err)
		return &CompanyCreatePayload{UserErrors: refused}, err
	}
	return &CompanyCreatePayload{Company: &Company{company}}, nil
}
