package rest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestContrastIsThatOfWCAG(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 21, contrast(black, white), 0.001)
	require.InDelta(t, 1, contrast("#0b5cad", "#0b5cad"), 0.001)
	require.InDelta(t, 4.54, contrast("#767676", white), 0.01)
	require.Equal(t, white, textOn("#0b5cad"))
	require.Equal(t, black, textOn("#ffee00"))
	require.Equal(t, "#1b1b1b", darkened("#1b1b1b"), "what can be read stays as it is")
}

func TestTextOfEveryThemeCanBeRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		color := rapid.StringMatching(`#[0-9a-fA-F]{6}`).Draw(t, "color")
		if on := textOn(color); contrast(on, color) < readable {
			t.Fatalf("%s on %s", on, color)
		}
		if shade := darkened(color); contrast(shade, white) < readable {
			t.Fatalf("%s on white, for %s", shade, color)
		}
	})
}
