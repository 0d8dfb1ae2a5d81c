package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The code that gqlgen has made of a part of the schema, and what this program makes of a copy: go run . testdata/lean.txt.
const (
	generatedFile = "testdata/generated.txt"
	leanFile      = "testdata/lean.txt"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

func TestGeneratedCodeIsRewrittenAsItWasLookedAt(t *testing.T) {
	t.Parallel()
	lean, counted, err := rewrite([]byte(read(t, generatedFile)))
	require.NoError(t, err)
	require.Equal(t, read(t, leanFile), string(lean))
	require.Equal(t, counts{Objects: 3, Lists: 3, Leaves: 1, Fields: 3}, counted)
}

func TestCodeOfAnotherShapeIsAnError(t *testing.T) {
	t.Parallel()
	generated := read(t, generatedFile)
	for name, changed := range map[string]string{
		"objects":       strings.ReplaceAll(generated, "graphql.NewFieldSet(fields)", "graphql.NewFields(fields)"),
		"lists":         strings.ReplaceAll(generated, "graphql.MarshalSliceConcurrently(", "graphql.MarshalSlice("),
		"fields":        strings.ReplaceAll(generated, "graphql.ResolveField(", "graphql.Resolve("),
		"what is no Go": generated + "}",
	} {
		_, _, err := rewrite([]byte(changed))
		require.Error(t, err, name)
	}
}

func TestWhatIsRewrittenIsNotRewrittenAgain(t *testing.T) {
	t.Parallel()
	_, _, err := rewrite([]byte(read(t, leanFile)))
	require.ErrorContains(t, err, "not as expected")
}
