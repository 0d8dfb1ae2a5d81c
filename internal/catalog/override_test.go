package catalog

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"portico/internal/fault"
)

var (
	noon    = time.Date(2026, time.March, 14, 12, 0, 0, 0, time.UTC)
	ofAPlan = json.RawMessage(`{
		"advancedReporting": {"kind": "BOOLEAN", "enabled": true}, "maxEmployees": {"kind": "LIMIT", "limit": 50, "reset": "PERIOD"},
		"maxProjects": {"kind": "UNLIMITED"}, "region": {"kind": "TEXT", "text": "eu"}}`)
)

func TestOverridesTakeThePlaceOfWhatThePlanSays(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sentence  string
		overrides string
		at        time.Time
		want      map[string]any
	}{
		{"without any it is the plan", ``, noon, map[string]any{}},
		{"a boolean can be taken away", `{"advancedReporting": {"kind": "BOOLEAN", "enabled": false}}`, noon, map[string]any{"advancedReporting": false}},
		{"a limit can be another", `{"maxEmployees": {"kind": "LIMIT", "limit": 80}}`, noon, map[string]any{"maxEmployees": int64(80)}},
		{"a limit can go", `{"maxEmployees": {"kind": "UNLIMITED"}}`, noon, map[string]any{"maxEmployees": Unlimited}},
		{"and come", `{"maxProjects": {"kind": "LIMIT", "limit": 0}}`, noon, map[string]any{"maxProjects": int64(0)}},
		{"a text can be another", `{"region": {"kind": "TEXT", "text": "us"}}`, noon, map[string]any{"region": "us"}},
		{"it counts before its end", `{"region": {"kind": "TEXT", "text": "us", "expiresAt": "2026-03-14T12:00:00Z"}}`, noon.Add(-1), map[string]any{"region": "us"}},
		{"and not at it", `{"region": {"kind": "TEXT", "text": "us", "expiresAt": "2026-03-14T12:00:00Z"}}`, noon, map[string]any{}},
		{"what the plan does not have stays out", `{"other": {"kind": "BOOLEAN", "enabled": true}}`, noon, map[string]any{}},
		{"and so does what has another kind in another plan", `{"region": {"kind": "LIMIT", "limit": 8}}`, noon, map[string]any{}},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			t.Parallel()
			want := map[string]any{"advancedReporting": true, "maxEmployees": int64(50), "maxProjects": Unlimited, "region": "eu"}
			for name, value := range test.want {
				want[name] = value
			}
			features, err := Entitled(ofAPlan, json.RawMessage(test.overrides), test.at)
			require.NoError(t, err)
			require.Equal(t, want, features.Object())
			require.Equal(t, ResetPeriod, features.Named("maxEmployees").Reset, "when it is reset is the plan's")
			for _, feature := range features {
				_, overridden := test.want[feature.Name]
				require.Equal(t, overridden, feature.Overridden)
			}
		})
	}
}

func TestOverridesAreSetAndUnset(t *testing.T) {
	t.Parallel()
	end := noon.Add(time.Hour)
	made, err := Override(ofAPlan, nil, []OverrideInput{
		{Name: "region", Kind: FeatureText, Text: ptr("us")}, {Name: "maxEmployees", Kind: FeatureLimit, Limit: ptr(int64(80)), ExpiresAt: &end},
	}, nil, noon)
	require.NoError(t, err)
	require.JSONEq(t, `{"region": {"kind": "TEXT", "text": "us"},
		"maxEmployees": {"kind": "LIMIT", "limit": 80, "expiresAt": "2026-03-14T13:00:00Z"}}`, string(made))

	changed, err := Override(ofAPlan, made, []OverrideInput{{Name: "maxEmployees", Kind: FeatureUnlimited}}, []string{"region", "never"}, noon)
	require.NoError(t, err)
	require.JSONEq(t, `{"maxEmployees": {"kind": "UNLIMITED"}}`, string(changed))

	kept, err := Override(ofAPlan, made, []OverrideInput{{Name: "advancedReporting", Kind: FeatureBoolean, Enabled: ptr(false)}}, nil, end)
	require.NoError(t, err)
	require.JSONEq(t, `{"region": {"kind": "TEXT", "text": "us"}, "advancedReporting": {"kind": "BOOLEAN", "enabled": false}}`, string(kept),
		"what has ended goes, the rest stays")
	left, err := WithoutEnded(made, end)
	require.NoError(t, err)
	require.JSONEq(t, `{"region": {"kind": "TEXT", "text": "us"}}`, string(left))

	none, err := Override(ofAPlan, changed, nil, []string{"maxEmployees"}, noon)
	require.NoError(t, err)
	require.Nil(t, none)
}

func TestWhatCannotBeOverridden(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		sentence string
		set      []OverrideInput
		unset    []string
		want     string
	}{
		{"nothing", nil, nil, "set REQUIRED"},
		{"what the plan does not have", []OverrideInput{{Name: "other", Kind: FeatureUnlimited}}, nil, "set.0.name FEATURE_NOT_IN_PLAN"},
		{"a boolean by a limit", []OverrideInput{{Name: "advancedReporting", Kind: FeatureUnlimited}}, nil, "set.0.kind INVALID"},
		{"with the value of another kind", []OverrideInput{{Name: "region", Kind: FeatureText, Text: ptr("us"), Enabled: ptr(true)}}, nil, "set.0.enabled INVALID"},
		{"without its value", []OverrideInput{{Name: "maxEmployees", Kind: FeatureLimit}}, nil, "set.0.limit REQUIRED"},
		{"twice", []OverrideInput{{Name: "maxProjects", Kind: FeatureUnlimited}, {Name: "maxProjects", Kind: FeatureUnlimited}}, nil, "set.1.name INVALID"},
		{"both ways", []OverrideInput{{Name: "maxProjects", Kind: FeatureUnlimited}}, []string{"maxProjects"}, "set.0.name INVALID"},
		{"until now", []OverrideInput{{Name: "maxProjects", Kind: FeatureUnlimited, ExpiresAt: &noon}}, nil, "set.0.expiresAt INVALID"},
		{"too much at once", make([]OverrideInput, 101), nil, "set INVALID"},
		{"too much away at once", nil, make([]string, 101), "unset INVALID"},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			t.Parallel()
			_, err := Override(ofAPlan, nil, test.set, test.unset, noon)
			faults := fault.List(err)
			require.Len(t, faults, 1, "%v", err)
			field := ""
			for _, step := range faults[0].Field {
				field += "." + step
			}
			require.Equal(t, test.want, field[1:]+" "+string(faults[0].Code))
		})
	}
}
