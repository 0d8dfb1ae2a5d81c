package catalog

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var november2023 = time.Date(2023, 11, 15, 12, 0, 0, 0, time.UTC)

func TestASuggestedIdentifierIsMadeOfTheShortCodesAndTheMonth(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ shop, name, want string }{
		{"smart-portal", "Work Planner App", "spwpa2311"},
		{"acme", "Payroll", "acmpay2311"},
		{"acme", "3D Print & 4 U", "acmp4u2311"},
		{"a-", "Go", "ago2311"},
		{"one-two-three-four-five", "a b c d e f", "ottfabcd2311"},
		{"acme", "Über Lösungen", "acmul2311"},
		{"acme", "Éclair", "acmecl2311"},
		{"acme", "勤怠管理", "acm2311"},
		{"acme", "2024", "acm2311"},
	} {
		got := suggestion(test.shop, test.name, november2023)
		require.Equal(t, test.want, got, "%s of %s", test.name, test.shop)
		require.Regexp(t, identifier, got)
	}
}

func TestTheMonthOfASuggestionIsUTC(t *testing.T) {
	t.Parallel()
	lateOctoberInNewYork := time.Date(2023, 10, 31, 22, 0, 0, 0, time.FixedZone("", -4*60*60))
	require.Equal(t, "acmpay2311", suggestion("acme", "Payroll", lateOctoberInNewYork))
}

func TestASuggestionThatIsTakenGetsTheSmallestFreeNumber(t *testing.T) {
	t.Parallel()
	require.Equal(t, "acmpay2311", firstFree("acmpay2311", []string{"acmpay23110", "acmpay2311x2"}))
	require.Equal(t, "acmpay2311x2", firstFree("acmpay2311", []string{"acmpay2311"}))
	require.Equal(t, "acmpay2311x3", firstFree("acmpay2311", []string{"acmpay2311", "acmpay2311x2", "acmpay2311x4"}))
}
