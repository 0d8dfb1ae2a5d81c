package catalog

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/fault"
)

var pro = Features{
	{Name: "advancedReporting", Kind: FeatureBoolean, Enabled: true},
	{Name: "maxEmployees", Kind: FeatureLimit, Limit: 50, Reset: ResetNever},
	{Name: "maxProjects", Kind: FeatureUnlimited, Limit: Unlimited, Reset: ResetPeriod},
	{Name: "noSupport", Kind: FeatureBoolean},
	{Name: "noUploads", Kind: FeatureLimit, Reset: ResetNever},
	{Name: "region", Kind: FeatureText, Text: `<eu & "uk">`},
}

func TestFeaturesComeBackFromTheirColumn(t *testing.T) {
	t.Parallel()
	column, err := pro.stored()
	require.NoError(t, err)
	require.JSONEq(t, `{
		"advancedReporting": {"kind": "BOOLEAN", "enabled": true},
		"maxEmployees": {"kind": "LIMIT", "limit": 50},
		"maxProjects": {"kind": "UNLIMITED", "reset": "PERIOD"},
		"noSupport": {"kind": "BOOLEAN", "enabled": false},
		"noUploads": {"kind": "LIMIT", "limit": 0},
		"region": {"kind": "TEXT", "text": "<eu & \"uk\">"}
	}`, string(column))
	read, err := ReadFeatures(column)
	require.NoError(t, err)
	require.Equal(t, pro, read)
}

func TestAColumnWithoutFeaturesHasNone(t *testing.T) {
	t.Parallel()
	for _, column := range []string{"", "{}", "null"} {
		read, err := ReadFeatures(json.RawMessage(column))
		require.NoError(t, err)
		require.Empty(t, read)
	}
}

func TestAColumnThatSaysNothingOfItsKindIsAnError(t *testing.T) {
	t.Parallel()
	for _, column := range []string{
		`[]`, `{"a": true}`, `{"a": {"kind": "LIMIT"}}`, `{"a": {"kind": "BOOLEAN", "limit": 1}}`, `{"a": {"kind": "TEXT"}}`,
		`{"a": {"kind": "OTHER"}}`, `{"a": {"kind": "LIMIT", "limit": 1.5}}`,
	} {
		_, err := ReadFeatures(json.RawMessage(column))
		require.Error(t, err, column)
	}
}

func TestTokensCarryThePlainValuesOfFeatures(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(pro.Object())
	require.NoError(t, err)
	require.JSONEq(t, `{
		"advancedReporting": true, "maxEmployees": 50, "maxProjects": 9007199254740991,
		"noSupport": false, "noUploads": 0, "region": "<eu & \"uk\">"
	}`, string(text))
	none, err := json.Marshal(Features(nil).Object())
	require.NoError(t, err)
	require.Equal(t, "{}", string(none), "an object, never null")
}

func TestAGateIsOnOnlyForABooleanThatIsOn(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"advancedReporting": true, "noSupport": false, "maxEmployees": false, "maxProjects": false, "region": false, "other": false,
		"AdvancedReporting": false, "": false,
	} {
		require.Equal(t, want, pro.Bool(name), name)
	}
}

func TestAMissingLimitIsZero(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int64{
		"maxEmployees": 50, "maxProjects": 9007199254740991, "noUploads": 0, "advancedReporting": 0, "region": 0, "other": 0,
	} {
		require.Equal(t, want, pro.Limit(name), name)
	}
}

func TestFeaturesAreSortedByName(t *testing.T) {
	t.Parallel()
	var check fault.Check
	features := checkList(&check, "features", []FeatureInput{
		{Name: "b", Kind: FeatureText, Text: ptr("")}, {Name: "a", Kind: FeatureUnlimited, Reset: ptr(ResetPeriod)}, {Name: "B", Kind: FeatureLimit, Limit: ptr(Unlimited)},
	})
	require.NoError(t, check.Err())
	require.Equal(t, Features{
		{Name: "B", Kind: FeatureLimit, Limit: Unlimited, Reset: ResetNever},
		{Name: "a", Kind: FeatureUnlimited, Limit: Unlimited, Reset: ResetPeriod}, {Name: "b", Kind: FeatureText},
	}, features)
}

func TestFaultsOfAFeatureNameTheField(t *testing.T) {
	t.Parallel()
	on, one, text := ptr(true), ptr(int64(1)), ptr("x")
	for _, test := range []struct {
		sentence string
		feature  FeatureInput
		want     []string
	}{
		{"a boolean needs its value", FeatureInput{Name: "a", Kind: FeatureBoolean}, []string{"features.1.enabled REQUIRED"}},
		{"a boolean has no usage", FeatureInput{Name: "a", Kind: FeatureBoolean, Enabled: ptr(true), Reset: ptr(ResetNever)}, []string{"features.1.reset INVALID"}},
		{"a limit needs its value", FeatureInput{Name: "a", Kind: FeatureLimit}, []string{"features.1.limit REQUIRED"}},
		{"a text needs its value", FeatureInput{Name: "a", Kind: FeatureText}, []string{"features.1.text REQUIRED"}},
		{
			"a boolean has no other value", FeatureInput{Name: "a", Kind: FeatureBoolean, Enabled: on, Limit: one, Text: text},
			[]string{"features.1.limit INVALID", "features.1.text INVALID"},
		},
		{
			"a limit has no other value", FeatureInput{Name: "a", Kind: FeatureLimit, Enabled: ptr(false), Limit: one},
			[]string{"features.1.enabled INVALID"},
		},
		{
			"unlimited has no value", FeatureInput{Name: "a", Kind: FeatureUnlimited, Limit: one},
			[]string{"features.1.limit INVALID"},
		},
		{
			"a text has no other value", FeatureInput{Name: "a", Kind: FeatureText, Text: text, Limit: one},
			[]string{"features.1.limit INVALID"},
		},
		{"the kind is one of four", FeatureInput{Name: "a", Kind: "NUMBER", Limit: one}, []string{"features.1.kind INVALID"}},
		{"a limit is not negative", FeatureInput{Name: "a", Kind: FeatureLimit, Limit: ptr(int64(-1))}, []string{"features.1.limit INVALID"}},
		{
			"a limit is exact in JavaScript", FeatureInput{Name: "a", Kind: FeatureLimit, Limit: ptr(Unlimited + 1)},
			[]string{"features.1.limit INVALID"},
		},
		{"a text has no NUL", FeatureInput{Name: "a", Kind: FeatureText, Text: ptr("\x00")}, []string{"features.1.text INVALID"}},
		{
			"a text has an end", FeatureInput{Name: "a", Kind: FeatureText, Text: ptr(strings.Repeat("x", 1001))},
			[]string{"features.1.text INVALID"},
		},
		{"a name is needed", FeatureInput{Kind: FeatureUnlimited}, []string{"features.1.name INVALID"}},
		{"a name starts with a letter", FeatureInput{Name: "_a", Kind: FeatureUnlimited}, []string{"features.1.name INVALID"}},
		{"a name has no hyphen", FeatureInput{Name: "a-b", Kind: FeatureUnlimited}, []string{"features.1.name INVALID"}},
		{"a name has no line break", FeatureInput{Name: "ab\n", Kind: FeatureUnlimited}, []string{"features.1.name INVALID"}},
		{"a name has an end", FeatureInput{Name: strings.Repeat("a", 65), Kind: FeatureUnlimited}, []string{"features.1.name INVALID"}},
		{"a name stands once", FeatureInput{Name: "first", Kind: FeatureUnlimited}, []string{"features.1.name INVALID"}},
	} {
		t.Run(test.sentence, func(t *testing.T) {
			t.Parallel()
			var check fault.Check
			checkList(&check, "features", []FeatureInput{{Name: "first", Kind: FeatureUnlimited}, test.feature})
			require.Equal(t, test.want, faults(check.Err()))
		})
	}
}

func TestAPlanHasAtMostAHundredFeatures(t *testing.T) {
	t.Parallel()
	inputs := make([]FeatureInput, 101)
	for i := range inputs {
		inputs[i] = FeatureInput{Name: fmt.Sprintf("f%d", i), Kind: FeatureUnlimited}
	}
	var check fault.Check
	require.Len(t, checkList(&check, "features", inputs[:100]), 100)
	require.NoError(t, check.Err())
	checkList(&check, "features", inputs)
	require.Equal(t, []string{"features INVALID"}, faults(check.Err()))
}

// faults writes every fault of err as its path and code.
func faults(err error) []string {
	var lines []string
	for _, one := range fault.List(err) {
		lines = append(lines, strings.Join(one.Field, ".")+" "+string(one.Code))
	}
	return lines
}

func ptr[T any](v T) *T { return &v }
