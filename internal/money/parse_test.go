package money

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestADecimalIsReadAsAnAmountOfItsCurrency(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"19.99": 1999, "19.9": 1990, "19": 1900, "0": 0, "0.01": 1, "007": 700, "1.9900": 199} {
		got, err := Parse(text, "USD")
		require.NoError(t, err, text)
		require.Equal(t, Money{want, "USD"}, got, text)
	}
	got, err := Parse("1000", "JPY")
	require.NoError(t, err)
	require.EqualValues(t, 1000, got.Minor)
	for _, text := range []string{"", ".", "1.", ".5", "-1", "+1", "1e3", "1,5", "1.999", " 1", "0x1", "99999999999999999999", "92233720368547758.07"} {
		_, err := Parse(text, "USD")
		require.Error(t, err, text)
	}
	_, err = Parse("1.5", "JPY")
	require.Error(t, err)
	_, err = Parse("1", "EURO")
	require.Error(t, err)
}
