package catalog

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
	"portico/internal/page"
)

func TestANewProductIsADraftThatCanBeFoundByItsIdAndIdentifier(t *testing.T) {
	t.Parallel()
	c, caller, _ := newCatalog(t)
	made, _, err := c.ProductCreate(t.Context(), caller, ProductCreate{
		Identifier: ptr("spwpa2311"), Name: "  Work Planner App ", Description: "Plans\nwork.", LaunchURL: " https://planner.example/launch?a=1 ",
		UpgradeURL: ptr(" https://planner.example/buy "), LaunchTTLSeconds: 900,
	})
	require.NoError(t, err)
	require.Equal(t, Product{
		ID: made.ID, MerchantID: caller.MerchantID, Identifier: "spwpa2311", Name: "Work Planner App", Description: "Plans\nwork.",
		LaunchURL: "https://planner.example/launch?a=1", UpgradeURL: "https://planner.example/buy", LaunchTTLSeconds: 900, Status: "DRAFT",
		AccessTokenAlgorithm: ES256, CreatedAt: piDay,
	}, made)
	for _, ref := range []ProductRef{of(made), {Identifier: ptr("spwpa2311")}} {
		found, err := c.Product(t.Context(), caller, ref)
		require.NoError(t, err)
		require.Equal(t, made, found)
	}
}

func TestWithoutAnUpgradeURLCustomersAreSentToThePortal(t *testing.T) {
	t.Parallel()
	c, caller, _ := newCatalog(t)
	made := newProduct(t, c, caller, "payroll")
	require.Equal(t, "https://portal.example/portal/smart-portal/payroll", made.UpgradeURL)
	found, err := c.Product(t.Context(), caller, of(made))
	require.NoError(t, err)
	require.Equal(t, made, found)
}

func TestTheLaunchSecretIsTextThatIsStoredSealed(t *testing.T) {
	t.Parallel()
	c, caller, _ := newCatalog(t)
	in := ProductCreate{Name: "Payroll", LaunchURL: "https://payroll.example/", LaunchTTLSeconds: 60}
	made, launchSecret, err := c.ProductCreate(t.Context(), caller, in)
	require.NoError(t, err)
	random, err := base64.RawURLEncoding.DecodeString(string(launchSecret))
	require.NoError(t, err)
	require.Len(t, random, 32)

	var sealed []byte
	err = c.DB.System().QueryRow(t.Context(), `select launch_secret_cipher from product where id = $1`, made.ID).Scan(&sealed)
	require.NoError(t, err)
	require.False(t, bytes.Contains(sealed, []byte(launchSecret)))
	opened, err := c.Keys.Open(fmt.Sprintf("product/%d/launch_secret", made.ID), sealed)
	require.NoError(t, err)
	require.Equal(t, string(launchSecret), string(opened))

	_, second, err := c.ProductCreate(t.Context(), caller, in)
	require.NoError(t, err)
	require.NotEqual(t, string(launchSecret), string(second))
}

func TestAnIdentifierIsUniqueWithinTheMerchantOnly(t *testing.T) {
	t.Parallel()
	c, caller, other := newCatalog(t)
	newProduct(t, c, caller, "payroll")
	newProduct(t, c, other, "payroll")
	_, _, err := c.ProductCreate(t.Context(), caller, ProductCreate{
		Identifier: ptr("payroll"), Name: "Payroll", LaunchURL: "https://payroll.example/", LaunchTTLSeconds: 300,
	})
	require.Equal(t, []string{"identifier TAKEN"}, faults(err))
}

func TestIdentifiersThatAreSuggestedAtTheSameTimeDiffer(t *testing.T) {
	t.Parallel()
	const calls = 12
	c, caller, _ := newCatalog(t)
	newProduct(t, c, caller, "spwpa2603x3")
	made := make([]Product, calls)
	errs := make([]error, calls)
	var wait sync.WaitGroup
	for i := range calls {
		wait.Go(func() {
			made[i], _, errs[i] = c.ProductCreate(t.Context(), caller, ProductCreate{
				Name: "Work Planner App", LaunchURL: "https://planner.example/", LaunchTTLSeconds: 300,
			})
		})
	}
	wait.Wait()
	identifiers := map[string]bool{}
	for i := range calls {
		require.NoError(t, errs[i])
		identifiers[made[i].Identifier] = true
	}
	want := map[string]bool{"spwpa2603": true, "spwpa2603x2": true}
	for n := 4; n <= calls+1; n++ {
		want[fmt.Sprintf("spwpa2603x%d", n)] = true
	}
	require.Equal(t, want, identifiers)
}

func TestAllFaultsOfAProductAreReportedTogether(t *testing.T) {
	t.Parallel()
	c, caller, _ := newCatalog(t)
	_, _, err := c.ProductCreate(t.Context(), caller, ProductCreate{
		Identifier: ptr("1abc"), Name: " ", Description: "\x00", LaunchURL: "ftp://a", UpgradeURL: ptr(""), LaunchTTLSeconds: 59,
	})
	require.Equal(t, []string{
		"identifier INVALID", "name REQUIRED", "description INVALID", "launchUrl INVALID", "upgradeUrl REQUIRED", "launchTtlSeconds INVALID",
	}, faults(err))
	products, err := c.Products(t.Context(), caller, all)
	require.NoError(t, err)
	require.Empty(t, products)
}

func TestLimitsOfAProduct(t *testing.T) {
	t.Parallel()
	c, caller, _ := newCatalog(t)
	for _, test := range []struct {
		sentence string
		change   func(*ProductCreate)
		want     []string
	}{
		{"an identifier has at least 3 characters", func(in *ProductCreate) { in.Identifier = ptr("ab") }, []string{"identifier INVALID"}},
		{"an identifier may have 3 characters", func(in *ProductCreate) { in.Identifier = ptr("abc") }, nil},
		{
			"an identifier may have 32 characters",
			func(in *ProductCreate) { in.Identifier = ptr(strings.Repeat("a", 32)) }, nil,
		},
		{
			"an identifier has at most 32 characters",
			func(in *ProductCreate) { in.Identifier = ptr(strings.Repeat("a", 33)) }, []string{"identifier INVALID"},
		},
		{"an identifier is in lower case", func(in *ProductCreate) { in.Identifier = ptr("abC") }, []string{"identifier INVALID"}},
		{"a name may have 200 characters", func(in *ProductCreate) { in.Name = strings.Repeat("ü", 200) }, nil},
		{
			"a name has at most 200 characters",
			func(in *ProductCreate) { in.Name = strings.Repeat("a", 201) }, []string{"name INVALID"},
		},
		{
			"a description has at most 5000 characters",
			func(in *ProductCreate) { in.Description = strings.Repeat("a", 5001) }, []string{"description INVALID"},
		},
		{"a token may live for a minute", func(in *ProductCreate) { in.LaunchTTLSeconds = 60 }, nil},
		{
			"a token lives for at most 15 minutes",
			func(in *ProductCreate) { in.LaunchTTLSeconds = 901 }, []string{"launchTtlSeconds INVALID"},
		},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			in := ProductCreate{Name: "Payroll", LaunchURL: "https://payroll.example/", LaunchTTLSeconds: 900}
			test.change(&in)
			_, _, err := c.ProductCreate(t.Context(), caller, in)
			require.Equal(t, test.want, faults(err))
			if test.want == nil {
				require.NoError(t, err)
			}
		})
	}
}

func TestAReferenceToNoProductOfTheMerchant(t *testing.T) {
	t.Parallel()
	c, caller, other := newCatalog(t)
	mine, theirs := newProduct(t, c, caller, "mine"), newProduct(t, c, other, "theirs")
	for _, test := range []struct {
		sentence string
		ref      ProductRef
		want     fault.Code
	}{
		{"an unknown id is not found", ProductRef{ID: ptr(int64(1 << 40))}, fault.CodeNotFound},
		{"an unknown identifier is not found", ProductRef{Identifier: ptr("unknown")}, fault.CodeNotFound},
		{"another merchant's id is not found", of(theirs), fault.CodeNotFound},
		{"another merchant's identifier is not found", ProductRef{Identifier: ptr("theirs")}, fault.CodeNotFound},
		{"an identifier with NUL is not found", ProductRef{Identifier: ptr("mine\x00")}, fault.CodeNotFound},
		{"an identifier that is not UTF-8 is not found", ProductRef{Identifier: ptr("mine\xff")}, fault.CodeNotFound},
		{"both are one too many", ProductRef{ID: &mine.ID, Identifier: &mine.Identifier}, fault.CodeInvalid},
		{"neither is one too few", ProductRef{}, fault.CodeInvalid},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			_, err := c.Product(t.Context(), caller, test.ref)
			require.Equal(t, []string{"product " + string(test.want)}, faults(err))
		})
	}
}

func TestProductsArePagedNewestFirst(t *testing.T) {
	t.Parallel()
	c, caller, other := newCatalog(t)
	first, second := newProduct(t, c, caller, "first"), newProduct(t, c, caller, "second")
	newProduct(t, c, other, "theirs")
	third := newProduct(t, c, caller, "third")

	products, err := c.Products(t.Context(), caller, page.Request{Size: 1})
	require.NoError(t, err)
	require.Equal(t, []Product{third, second}, products, "with the one that tells of another page")
	products, err = c.Products(t.Context(), caller, page.Request{Size: 1, After: second.ID})
	require.NoError(t, err)
	require.Equal(t, []Product{first}, products)
}

func TestProductsByIDLeavesOutWhatTheMerchantDoesNotHave(t *testing.T) {
	t.Parallel()
	c, caller, other := newCatalog(t)
	first, second := newProduct(t, c, caller, "first"), newProduct(t, c, caller, "second")
	theirs := newProduct(t, c, other, "theirs")
	products, err := c.ProductsByID(t.Context(), caller, []int64{second.ID, theirs.ID, first.ID, 1 << 40, second.ID})
	require.NoError(t, err)
	require.Equal(t, map[int64]Product{first.ID: first, second.ID: second}, products)
}

func TestACallerWithoutAMerchantMakesNoProduct(t *testing.T) {
	t.Parallel()
	c, _, _ := newCatalog(t)
	_, _, err := c.ProductCreate(t.Context(), account.Caller{}, ProductCreate{
		Name: "Payroll", LaunchURL: "https://payroll.example/", LaunchTTLSeconds: 300,
	})
	require.Error(t, err)
	require.Nil(t, fault.List(err), "a door that lets such a caller in is a mistake of ours")
}
