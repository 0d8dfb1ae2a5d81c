package web_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
)

// TestEveryReadyMadeTabIsValid holds the playground's documents and variables against the schema. Gaps in variables are paths into the
// answers of the tabs before.
func TestEveryReadyMadeTabIsValid(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../schema.graphqls")
	require.NoError(t, err)
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: string(text)})
	require.NoError(t, err)
	documents, err := filepath.Glob("src/playground/steps/*.graphql")
	require.NoError(t, err)
	require.Greater(t, len(documents), 10)
	given := []string{"email", "password", "receiver"} // steps.ts: fresh
	for _, path := range documents {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		document, errs := gqlparser.LoadQueryWithRules(schema, string(text), nil)
		require.Empty(t, errs, path)
		require.Len(t, document.Operations, 1, "%s: the tab has the operation's name", path)
		operation := document.Operations[0]
		require.NotEmpty(t, operation.Name, path)

		template, err := os.ReadFile(strings.TrimSuffix(path, ".graphql") + ".json")
		require.NoError(t, err)
		for _, gap := range regexp.MustCompile(`\{\{(.*?)\}\}`).FindAllStringSubmatch(string(template), -1) {
			require.Contains(t, given, gap[1], "%s: no earlier tab answers this", path)
		}
		var variables map[string]any
		require.NoError(t, json.Unmarshal(template, &variables), path)
		_, err = validator.VariableValues(schema, operation, variables)
		require.NoError(t, err, path)

		given = append(given, answered("", operation.SelectionSet)...)
	}
}

// answered lists the paths of an answer's leaves.
func answered(prefix string, set ast.SelectionSet) []string {
	var paths []string
	for _, selection := range set {
		field, is := selection.(*ast.Field)
		if !is {
			continue
		}
		paths = append(paths, prefix+field.Alias)
		paths = append(paths, answered(prefix+field.Alias+".", field.SelectionSet)...)
	}
	return paths
}
