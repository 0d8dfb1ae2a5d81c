package jsontext_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"portico/internal/jsontext"
)

func TestHalfOfASurrogatePairIsSeenAndAWholeOneIsNot(t *testing.T) {
	t.Parallel()
	for text, half := range map[string]bool{
		`"\ud83d\ude00"`: false, `"\\ud83d"`: false, `"é \u00e9 \n"`: false, `{}`: false,
		`"\ud83d"`: true, `"\ude00"`: true, `"\ud83d\ud83d"`: true, `"\ud83d\n"`: true, `{"a": ["\uDBFF"]}`: true, `"\\\ud83d"`: true,
	} {
		require.Equal(t, half, jsontext.HalfSurrogate([]byte(text)), text)
	}
}
