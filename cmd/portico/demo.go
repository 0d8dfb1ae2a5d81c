package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"portico/internal/account"
	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/fault"
	"portico/internal/money"
	"portico/internal/secret"
)

// The demo is small and believable: two merchants, three products, some customers and companies. Its types are what
// `portico dev --json` prints; its credentials are made anew for every database and kept beside it.
type (
	demoMerchant struct {
		ID             int64          `json:"id"`
		Name           string         `json:"name"`
		Shop           string         `json:"shop"`
		MemberEmail    string         `json:"memberEmail"`
		MemberPassword string         `json:"memberPassword"`
		APIKey         string         `json:"apiKey"`
		TokenKey       *string        `json:"tokenKey"`
		Products       []demoProduct  `json:"products"`
		Customers      []demoCustomer `json:"customers"`
	}
	demoProduct struct {
		ID           int64      `json:"id"`
		Identifier   string     `json:"identifier"`
		LaunchSecret string     `json:"launchSecret"`
		ClientID     *string    `json:"clientId"`
		ClientSecret *string    `json:"clientSecret"`
		Plans        []demoPlan `json:"plans"`
	}
	demoPlan struct {
		ID   int64  `json:"id"`
		Tier string `json:"tier"`
	}
	demoCustomer struct {
		ID         int64   `json:"id"`
		Email      string  `json:"email"`
		Subscribed *string `json:"subscribed"` // the product they have access to, maybe through their company
	}
)

// loadDemo reads the credentials of the demo that this database has, or makes the demo. A database whose demo was made with
// another data folder keeps it, without credentials to show.
func loadDemo(ctx context.Context, a *app, path string) ([]demoMerchant, error) {
	var merchants []demoMerchant
	text, err := os.ReadFile(path)
	if err == nil {
		if err := json.Unmarshal(text, &merchants); err != nil {
			return nil, fmt.Errorf("read the demo's credentials in %s: %w", path, err)
		}
		if len(merchants) > 0 {
			if _, err := a.accounts.Authenticate(ctx, secret.Text(merchants[0].APIKey), ""); err == nil {
				return merchants, nil
			}
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read the demo's credentials: %w", err)
	}
	merchants, err = a.makeDemo(ctx)
	if fault.Is(err, fault.CodeTaken) {
		a.log.WarnContext(ctx, "the database has a demo whose credentials are in another data folder")
		return []demoMerchant{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("make the demo: %w", err)
	}
	return merchants, writePrivate(path, merchants)
}

type demoPlanSpec struct {
	name, tier     string
	monthly        int64
	trialDays      int32
	employees      int64
	reports, audit bool
}

type demoProductSpec struct {
	identifier, name, description string
	port                          int
	plans                         []demoPlanSpec
}

type demoSaleSpec struct {
	name, email, company string
	product              string // nothing: buys nothing
	tier                 string
	seats                int32
}

type demoSpec struct {
	name, shop, email string
	products          []demoProductSpec
	sales             []demoSaleSpec
}

func demoSpecs() []demoSpec {
	return []demoSpec{
		{
			name: "Northwind Tools", shop: "northwind", email: "owner@northwind.example",
			products: []demoProductSpec{
				{"rosterly", "Rosterly", "Shift planning for small teams", 3000, []demoPlanSpec{
					{"Starter", "starter", 1900, 14, 10, false, false}, {"Pro", "pro", 4900, 0, 50, true, false},
				}},
				{"ledgerlite", "Ledger Lite", "Bookkeeping without the books", 3001, []demoPlanSpec{
					{"Basic", "basic", 1200, 0, 3, false, false}, {"Plus", "plus", 2900, 0, 20, true, true},
				}},
			},
			sales: []demoSaleSpec{
				{"Ada", "ada@bakery.example", "Harbour Bakery", "rosterly", "pro", 12},
				{"Ben", "ben@bakery.example", "Harbour Bakery", "", "", 0},
				{"Cleo", "cleo@studio.example", "", "ledgerlite", "plus", 1},
				{"Dora", "dora@garden.example", "", "rosterly", "starter", 1},
				{"Emil", "emil@garden.example", "", "", "", 0},
			},
		},
		{
			name: "Field Notes", shop: "fieldnotes", email: "owner@fieldnotes.example",
			products: []demoProductSpec{
				{"surveys", "Surveys", "Questionnaires that people finish", 3002, []demoPlanSpec{
					{"Team", "team", 3900, 0, 25, true, false}, {"Agency", "agency", 9900, 30, 250, true, true},
				}},
			},
			sales: []demoSaleSpec{
				{"Finn", "finn@clinic.example", "Park Clinic", "surveys", "team", 5},
				{"Gwen", "gwen@clinic.example", "Park Clinic", "", "", 0},
			},
		},
	}
}

func (a *app) makeDemo(ctx context.Context) ([]demoMerchant, error) {
	var merchants []demoMerchant
	for _, spec := range demoSpecs() {
		m, err := a.makeDemoMerchant(ctx, spec)
		if err != nil {
			return nil, fmt.Errorf("merchant %s: %w", spec.shop, err)
		}
		merchants = append(merchants, m)
	}
	return merchants, a.approveDemo(ctx, merchants)
}

// approveDemo has the products on show, so that the addresses to buy them at lead somewhere. The operator who approved them cannot sign in.
func (a *app) approveDemo(ctx context.Context, merchants []demoMerchant) error {
	operator, _, err := a.accounts.OperatorCreate(ctx, "demo@operators.example", string(secret.NewKey()))
	if err != nil {
		return fmt.Errorf("make an operator: %w", err)
	}
	if _, err := a.accounts.OperatorDisable(ctx, operator.Email); err != nil {
		return fmt.Errorf("disable the operator: %w", err)
	}
	for _, m := range merchants {
		owner := account.Caller{Kind: account.KindMember, MerchantID: m.ID, EmailVerified: true, Role: account.RoleOwner}
		for _, product := range m.Products {
			if _, err := a.catalog.ProductSubmitForReview(ctx, owner, catalog.SubmitForReview{ProductID: product.ID, TestCredentials: "none are needed"}); err != nil {
				return fmt.Errorf("submit product %s: %w", product.Identifier, err)
			}
			judge := account.Caller{Kind: account.KindOperator, OperatorID: operator.ID}
			if _, err := a.catalog.Judge(ctx, judge, catalog.Verdict{ProductID: product.ID, Approved: true}); err != nil {
				return fmt.Errorf("approve product %s: %w", product.Identifier, err)
			}
		}
	}
	return nil
}

func (a *app) makeDemoMerchant(ctx context.Context, spec demoSpec) (demoMerchant, error) {
	password := string(secret.NewKey())
	up, err := a.accounts.SignUp(ctx, account.Origin{}, account.SignUp{
		Name: spec.name, Shop: &spec.shop, Email: spec.email, Password: password, Verified: true,
	})
	if err != nil {
		return demoMerchant{}, err
	}
	owner := account.Caller{Kind: account.KindMember, MerchantID: up.Merchant.ID, MemberID: up.Member.ID, EmailVerified: true, Role: account.RoleOwner}
	_, key, err := a.accounts.APIKeyCreate(ctx, owner, account.APIKeyCreate{Name: "Demo"})
	if err != nil {
		return demoMerchant{}, err
	}
	m := demoMerchant{
		ID: up.Merchant.ID, Name: spec.name, Shop: spec.shop, MemberEmail: spec.email, MemberPassword: password, APIKey: string(key),
	}
	tokenKey, err := a.accounts.TokenKey(ctx, owner)
	if err != nil {
		return demoMerchant{}, err
	}
	m.TokenKey = plain(tokenKey.Key)
	plans := map[string]int64{}
	for _, product := range spec.products {
		made, err := a.makeDemoProduct(ctx, owner, product)
		if err != nil {
			return demoMerchant{}, fmt.Errorf("product %s: %w", product.identifier, err)
		}
		for _, plan := range made.Plans {
			plans[made.Identifier+"/"+plan.Tier] = plan.ID
		}
		m.Products = append(m.Products, made)
	}
	companies, bought := map[string]int64{}, map[string]string{}
	for _, sale := range spec.sales {
		made, err := a.makeDemoCustomer(ctx, owner, sale, companies, plans)
		if err != nil {
			return demoMerchant{}, fmt.Errorf("customer %s: %w", sale.email, err)
		}
		if sale.product != "" && sale.company != "" {
			bought[sale.company] = sale.product
		}
		if product := bought[sale.company]; product != "" {
			made.Subscribed = &product
		}
		m.Customers = append(m.Customers, made)
	}
	return m, nil
}

func (a *app) makeDemoProduct(ctx context.Context, owner account.Caller, spec demoProductSpec) (demoProduct, error) {
	product, launchSecret, err := a.catalog.ProductCreate(ctx, owner, catalog.ProductCreate{
		Identifier: &spec.identifier, Name: spec.name, Description: spec.description,
		LaunchURL: fmt.Sprintf("http://localhost:%d/launch", spec.port), LaunchTTLSeconds: 300,
	})
	if err != nil {
		return demoProduct{}, err
	}
	made := demoProduct{ID: product.ID, Identifier: product.Identifier, LaunchSecret: string(launchSecret)}
	client, clientSecret, err := a.accounts.ClientCreate(ctx, owner, account.ClientCreate{ProductID: product.ID, Name: "Demo"})
	if err != nil {
		return demoProduct{}, err
	}
	made.ClientID, made.ClientSecret = &client.ClientID, plain(clientSecret)
	for _, p := range spec.plans {
		plan, err := a.catalog.PlanCreate(ctx, owner, catalog.PlanCreate{
			Product: catalog.ProductRef{ID: &product.ID}, Name: p.name, Tier: p.tier, TrialDays: p.trialDays,
			Features: []catalog.FeatureInput{
				{Name: "advancedReporting", Kind: catalog.FeatureBoolean, Enabled: &p.reports},
				{Name: "auditTrail", Kind: catalog.FeatureBoolean, Enabled: &p.audit},
				{Name: "maxEmployees", Kind: catalog.FeatureLimit, Limit: &p.employees},
			},
			Prices: []catalog.PriceInput{
				{Interval: catalog.Month, Money: money.Money{Minor: p.monthly, Currency: "USD"}},
				{Interval: catalog.Year, Money: money.Money{Minor: p.monthly * 10, Currency: "USD"}},
			},
		})
		if err != nil {
			return demoProduct{}, fmt.Errorf("plan %s: %w", p.tier, err)
		}
		made.Plans = append(made.Plans, demoPlan{ID: plan.ID, Tier: plan.Tier})
	}
	return made, nil
}

func (a *app) makeDemoCustomer(ctx context.Context, owner account.Caller, sale demoSaleSpec, companies, plans map[string]int64,
) (demoCustomer, error) {
	create := account.CustomerCreate{Email: sale.email, Name: sale.name}
	if sale.company != "" {
		if companies[sale.company] == 0 {
			company, err := a.accounts.CompanyCreate(ctx, owner, account.CompanyCreate{Name: sale.company})
			if err != nil {
				return demoCustomer{}, err
			}
			companies[sale.company] = company.ID
		}
		id := companies[sale.company]
		create.CompanyID = &id
	}
	customer, err := a.accounts.CustomerCreate(ctx, owner, create)
	if err != nil {
		return demoCustomer{}, err
	}
	made := demoCustomer{ID: customer.ID, Email: customer.Email}
	if sale.product == "" {
		return made, nil
	}
	ref := account.CustomerRef{ID: &customer.ID}
	if _, err := a.billing.AttachPaymentMethod(ctx, owner, ref, "pm_card_visa"); err != nil {
		return demoCustomer{}, err
	}
	_, err = a.billing.Create(ctx, owner, billing.Create{
		Customer: ref, PlanID: plans[sale.product+"/"+sale.tier], Interval: string(catalog.Month), Quantity: sale.seats,
	})
	if err != nil {
		return demoCustomer{}, err
	}
	made.Subscribed = &sale.product
	return made, nil
}

func plain(s secret.Text) *string {
	text := string(s)
	return &text
}
