package settings_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/db"
	"portico/db/dbtest"
	"portico/internal/fault"
	"portico/internal/settings"
)

var newYear = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

// merchant is an empty one.
func merchant(t *testing.T) (*db.DB, int64) {
	t.Helper()
	d := dbtest.New(t)
	var id int64
	err := d.System().QueryRow(t.Context(), `insert into merchant (shop, name, email, portal_fee_bps, created_at)
		values ('acorn', 'Acorn', 'owner@acorn.test', 0, $1) returning id`, newYear).Scan(&id)
	require.NoError(t, err)
	return d, id
}

func save(t *testing.T, d *db.DB, id int64, changes string) (settings.Settings, error) {
	t.Helper()
	return settings.Save(t.Context(), d, id, settings.Update{Changes: json.RawMessage(changes)}, newYear.Add(time.Hour))
}

func TestSettingsHaveTheMembersThatIntegrationsRead(t *testing.T) {
	t.Parallel()
	d, id := merchant(t)
	s, err := settings.Of(t.Context(), d, d.Tenant(id), id)
	require.NoError(t, err)
	text, err := json.Marshal(s)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"id": 1, "shop": "acorn", "portalEnabled": true, "customDomain": null, "allowPause": true, "maxPauseDuration": 90, "allowSkip": true,
		"maxConsecutiveSkips": 2, "allowFrequencyChange": true, "allowQuantityChange": true, "allowProductSwap": false,
		"allowAddressEdit": true, "allowPaymentMethodUpdate": true, "allowCancellation": true, "requireCancellationReason": false,
		"enableOneTimeProducts": false, "minimumSubscriptionCycles": 0,
		"theme": {"primaryColor": "#1b1b1b", "secondaryColor": "#f6f6f4", "accentColor": "#0b5cad", "fontFamily": "system-ui, sans-serif",
			"logoUrl": null, "customCss": null},
		"authentication": {"method": "MAGIC_LINK", "sessionDuration": 43200, "requireEmailVerification": false},
		"notifications": {"sendSkipConfirmation": true, "sendPauseConfirmation": true, "sendFrequencyChangeConfirmation": true,
			"sendCancellationConfirmation": true},
		"supportContact": {"email": null, "phone": null, "chatEnabled": false},
		"layout": "LIST", "helpText": null, "customMessage": null, "redirectUrls": {}, "analytics": {},
		"createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z"
	}`, string(text))
}

func TestNamesOfFontsMayBeInQuotesOfBothKinds(t *testing.T) {
	t.Parallel()
	d, id := merchant(t)
	for _, fonts := range []string{`'Open Sans', sans-serif`, `"Open Sans",sans-serif`, `Open Sans, -apple-system, Arial`} {
		text, err := json.Marshal(map[string]any{"theme": map[string]any{"fontFamily": fonts}})
		require.NoError(t, err)
		s, err := save(t, d, id, string(text))
		require.NoError(t, err, fonts)
		require.Equal(t, fonts, s.Theme.FontFamily)
	}
}

func TestAChangeLeavesTheRestAsItIs(t *testing.T) {
	t.Parallel()
	d, id := merchant(t)
	before, err := save(t, d, id, `{"helpText": " Ask us. ", "theme": {"accentColor": "#00FF00", "logoUrl": "https://acorn.test/logo.png"},
		"redirectUrls": {"home": "https://acorn.test", "bye": "https://acorn.test/bye"}, "analytics": {"id": "G-1"}}`)
	require.NoError(t, err)
	after, err := save(t, d, id, `{"allowSkip": false, "theme": {"logoUrl": null}, "redirectUrls": {"home": "https://acorn.test/2"}, "allowPause": null}`)
	require.NoError(t, err)
	want := before
	want.AllowSkip, want.Theme.LogoURL, want.RedirectURLs = false, nil, map[string]string{"home": "https://acorn.test/2"}
	require.Equal(t, want, after)
	require.Equal(t, "Ask us.", *after.HelpText)
	require.Equal(t, "#00FF00", after.Theme.AccentColor)
	require.Equal(t, newYear.Add(time.Hour), after.UpdatedAt)

	locked := settings.LockedDown
	after, err = settings.Save(t.Context(), d, id, settings.Update{Preset: &locked, Changes: json.RawMessage(`{"allowSkip": true}`)}, newYear)
	require.NoError(t, err)
	require.True(t, after.AllowSkip, "changes come after the preset")
	require.True(t, after.AllowPaymentMethodUpdate)
	require.False(t, after.AllowCancellation || after.AllowPause || after.AllowQuantityChange || after.AllowAddressEdit)
	require.Equal(t, want.Theme, after.Theme)
	full := settings.FullService
	after, err = settings.Save(t.Context(), d, id, settings.Update{Preset: &full}, newYear)
	require.NoError(t, err)
	require.True(t, after.AllowCancellation && after.AllowProductSwap && after.EnableOneTimeProducts && !after.RequireCancellationReason)
	again, err := settings.Of(t.Context(), d, d.Tenant(id), id)
	require.NoError(t, err)
	require.Equal(t, after, again)
}

func TestWhatCannotBeIsNamedAndNothingIsSaved(t *testing.T) {
	t.Parallel()
	d, id := merchant(t)
	before, err := settings.Of(t.Context(), d, d.Tenant(id), id)
	require.NoError(t, err)
	for field, changes := range map[string][]string{
		"maxPauseDuration":               {`{"maxPauseDuration": 0}`, `{"maxPauseDuration": 366}`, `{"maxPauseDuration": 9999999999}`},
		"maxConsecutiveSkips":            {`{"maxConsecutiveSkips": 0}`, `{"maxConsecutiveSkips": 53}`},
		"minimumSubscriptionCycles":      {`{"minimumSubscriptionCycles": -1}`, `{"minimumSubscriptionCycles": 121}`},
		"authentication.sessionDuration": {`{"authentication": {"sessionDuration": 299}}`, `{"authentication": {"sessionDuration": 43201}}`},
		"customDomain": {
			`{"customDomain": "localhost"}`, `{"customDomain": "https://a.test"}`, `{"customDomain": "a b.test"}`, `{"customDomain": "127.0.0.1"}`,
			`{"customDomain": "-a.test"}`,
		},
		"theme.primaryColor": {`{"theme": {"primaryColor": "red"}}`, `{"theme": {"primaryColor": "#12345"}}`, `{"theme": {"primaryColor": "#123456;}"}}`},
		"theme.fontFamily": {
			`{"theme": {"fontFamily": "a;}"}}`, `{"theme": {"fontFamily": ""}}`, `{"theme": {"fontFamily": "'Open Sans"}}`,
			`{"theme": {"fontFamily": "Arial,"}}`,
		},
		"theme.logoUrl": {
			`{"theme": {"logoUrl": "http://a.test/l.png"}}`, `{"theme": {"logoUrl": "javascript:alert(1)"}}`, `{"theme": {"logoUrl": "https://u:p@a.test"}}`,
			`{"theme": {"logoUrl": "https://"}}`,
		},
		"theme.customCss":      {`{"theme": {"customCss": "@import 'https://a.test';"}}`},
		"supportContact.email": {`{"supportContact": {"email": "ada"}}`},
		"supportContact.phone": {`{"supportContact": {"phone": "call me"}}`},
		"helpText":             {`{"helpText": "` + strings.Repeat("a", 2001) + `"}`, `{"helpText": "a\u0000b"}`},
		"redirectUrls":         {`{"redirectUrls": {"a b": "https://a.test"}}`},
		"redirectUrls.home":    {`{"redirectUrls": {"home": "http://a.test"}}`},
		"analytics":            {`{"analytics": []}`, `{"analytics": {"a": "\ud800"}}`, `{"analytics": {"a": "` + strings.Repeat("a", 5000) + `"}}`},
	} {
		for _, one := range changes {
			_, err := save(t, d, id, one)
			require.NotEmpty(t, fault.List(err), one)
			found := fault.List(err)[0]
			require.Equal(t, fault.CodeInvalid, found.Code, one)
			require.Equal(t, "settings."+field, strings.Join(found.Field, "."), one)
		}
	}
	after, err := settings.Of(t.Context(), d, d.Tenant(id), id)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestAMemberOfTheWrongTypeHearsWhatItMustBe(t *testing.T) {
	t.Parallel()
	d, id := merchant(t)
	for changes, message := range map[string]string{
		`{"redirectUrls": []}`:                "must be a JSON object",
		`{"theme": "dark"}`:                   "must be a JSON object",
		`{"allowSkip": "yes"}`:                "must be true or false",
		`{"maxPauseDuration": 1.5}`:           "must be a whole number of at most 32 bits",
		`{"maxPauseDuration": 9999999999}`:    "must be a whole number of at most 32 bits",
		`{"helpText": 7}`:                     "must be a string",
		`{"theme": {"logoUrl": [""]}}`:        "must be a string",
		`{"redirectUrls": {"home": {}}}`:      "must be a string",
		`{"supportContact": {"email": true}}`: "must be a string",
	} {
		_, err := save(t, d, id, changes)
		require.Len(t, fault.List(err), 1, changes)
		require.Equal(t, message, fault.List(err)[0].Message, changes)
	}
}

func TestAStyleSheetLoadsNothingAndRunsNothing(t *testing.T) {
	t.Parallel()
	d, id := merchant(t)
	for name, sheet := range map[string]string{
		"url":                     "body { background: url(https://a.test/x.png) }",
		"a quoted url":            `body { background: url("https://a.test/x.png") }`,
		"url in capitals":         "body { background: URL(https://a.test) }",
		"an unfinished url":       "body { background: url(https://a.test",
		"an image set":            `body { background: image-set("https://a.test/x.png" 1x) }`,
		"an image":                `body { background: image("https://a.test/x.png") }`,
		"a source":                `body { background: src("https://a.test/x.png") }`,
		"a cross fade":            `body { background: -webkit-cross-fade("https://a.test/x.png", red) }`,
		"an import":               "@import 'https://a.test';",
		"an import in capitals":   "@IMPORT 'https://a.test';",
		"a font":                  "@font-face { font-family: a }",
		"a namespace":             "@namespace 'https://a.test';",
		"an expression":           "body { width: expression(alert(1)) }",
		"a behavior":              "body { behavior: none }",
		"a binding":               "body { -moz-binding: none }",
		"an escape":               `body { background: u\\72l(https://a.test) }`,
		"the end of the element":  "</style><script>alert(1)</script>",
		"a comment of HTML":       "<!-- body { } -->",
		"a bracket too many":      "body { } }",
		"a bracket too few":       "@media print { body { }",
		"brackets that cross":     "a[b(c]) { }",
		"a quote that stays open": "body { content: \"a\n }",
	} {
		raw, err := json.Marshal(map[string]any{"theme": map[string]string{"customCss": sheet}})
		require.NoError(t, err)
		_, err = save(t, d, id, string(raw))
		require.True(t, fault.Is(err, fault.CodeInvalid), name)
	}
	const fine = "/* ours */ main { max-width: calc(100% - 2rem); color: var(--primary) } @media (max-width: 40rem) { h1:not(.a) { color: rgb(1, 2, 3) } } a::before { content: \"url(x)\" }"
	raw, err := json.Marshal(map[string]any{"theme": map[string]string{"customCss": fine}})
	require.NoError(t, err)
	s, err := save(t, d, id, string(raw))
	require.NoError(t, err)
	require.Equal(t, fine, *s.Theme.CustomCSS)
}
