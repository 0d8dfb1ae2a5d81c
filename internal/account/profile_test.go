package account_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/account"
	"portico/internal/fault"
)

func TestAMerchantChangesItsProfile(t *testing.T) {
	t.Parallel()
	w := open(t)
	owner := w.signUp(t, "acme")
	w.signUp(t, "bobs")
	before, err := w.Merchant(t.Context(), owner)
	require.NoError(t, err)
	same, err := w.MerchantUpdate(t.Context(), owner, account.MerchantUpdate{})
	require.NoError(t, err)
	require.Equal(t, before, same, "what is not given stays as it is")

	changed, err := w.MerchantUpdate(t.Context(), owner, account.MerchantUpdate{
		Name: to(" Acme & Co "), Shop: to("acme-co"), Email: to(" hello@acme.example "), Description: to("We make\r\neverything.\n"),
		LogoURL: to(" https://acme.example/logo.svg "), Phone: to("+44 20 7946 0000"), GraceDays: to(int32(0)), DunningDays: []int32{0, 1, 30},
	})
	require.NoError(t, err)
	require.Equal(t, account.Merchant{
		ID: before.ID, Name: "Acme & Co", Shop: "acme-co", Email: "hello@acme.example", Description: "We make\neverything.",
		LogoURL: to("https://acme.example/logo.svg"), Phone: to("+44 20 7946 0000"), Status: account.MerchantOpen, PortalFeeBPS: 250,
		DunningDays: []int32{0, 1, 30}, CreatedAt: before.CreatedAt,
	}, changed)
	emptied, err := w.MerchantUpdate(t.Context(), owner, account.MerchantUpdate{Description: to(""), LogoURL: to(" "), Phone: to("")})
	require.NoError(t, err)
	require.Empty(t, emptied.Description)
	require.Nil(t, emptied.LogoURL)
	require.Nil(t, emptied.Phone)

	_, err = w.MerchantUpdate(t.Context(), owner, account.MerchantUpdate{Shop: to("bobs")})
	requireFault(t, err, fault.CodeTaken, "shop")
	w.signUp(t, "acme-corp")
	signedUp, err := w.SignUp(t.Context(), home, account.SignUp{Name: "Acme", Shop: to("acme"), Email: "new@example.com", Password: passphrase})
	require.NoError(t, err, "the old handle is free")
	require.Equal(t, "acme", signedUp.Merchant.Shop)
}

func TestAProfileThatCannotBeIsRefused(t *testing.T) {
	t.Parallel()
	w := open(t)
	owner := w.signUp(t, "acme")
	for name, c := range map[string]struct {
		in    account.MerchantUpdate
		field string
		code  fault.Code
	}{
		"no name":                    {account.MerchantUpdate{Name: to(" ")}, "name", fault.CodeRequired},
		"a reserved handle":          {account.MerchantUpdate{Shop: to("admin")}, "shop", fault.CodeInvalid},
		"no address":                 {account.MerchantUpdate{Email: to("")}, "email", fault.CodeRequired},
		"a description with a NUL":   {account.MerchantUpdate{Description: to("a\x00")}, "description", fault.CodeInvalid},
		"a description not in UTF-8": {account.MerchantUpdate{Description: to("a\xff")}, "description", fault.CodeInvalid},
		"a long description":         {account.MerchantUpdate{Description: to(strings.Repeat("é", 2001))}, "description", fault.CodeInvalid},
		"a logo that runs":           {account.MerchantUpdate{LogoURL: to("javascript:alert(1)")}, "logoUrl", fault.CodeInvalid},
		"a logo in the address":      {account.MerchantUpdate{LogoURL: to("data:image/png;base64,AA==")}, "logoUrl", fault.CodeInvalid},
		"a logo without a host":      {account.MerchantUpdate{LogoURL: to("https:///logo.svg")}, "logoUrl", fault.CodeInvalid},
		"a logo with a password":     {account.MerchantUpdate{LogoURL: to("https://ada:secret@acme.example/")}, "logoUrl", fault.CodeInvalid},
		"a phone that is none":       {account.MerchantUpdate{Phone: to("call me")}, "phone", fault.CodeInvalid},
		"grace without end":          {account.MerchantUpdate{GraceDays: to(int32(22))}, "graceDays", fault.CodeInvalid},
		"negative grace":             {account.MerchantUpdate{GraceDays: to(int32(-1))}, "graceDays", fault.CodeInvalid},
		"no dunning":                 {account.MerchantUpdate{DunningDays: []int32{}}, "dunningDays", fault.CodeInvalid},
		"dunning that begins late":   {account.MerchantUpdate{DunningDays: []int32{1, 2}}, "dunningDays", fault.CodeInvalid},
		"dunning out of order":       {account.MerchantUpdate{DunningDays: []int32{0, 3, 3}}, "dunningDays", fault.CodeInvalid},
		"dunning without end":        {account.MerchantUpdate{DunningDays: []int32{0, 31}}, "dunningDays", fault.CodeInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.MerchantUpdate(t.Context(), owner, c.in)
			requireFault(t, err, c.code, c.field)
		})
	}
	_, err := w.MerchantUpdate(t.Context(), account.Caller{}, account.MerchantUpdate{})
	requireFault(t, err, fault.CodeNotFound, "")
}
