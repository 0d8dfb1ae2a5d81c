package graph_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"

	"portico/graph"
)

func TestTheSchemaExplainsItself(t *testing.T) {
	t.Parallel()
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	for name, definition := range schema.Types {
		if definition.BuiltIn || strings.HasPrefix(name, "__") {
			continue
		}
		require.NotEmpty(t, definition.Description, "type %s has no description", name)
		for _, value := range definition.EnumValues {
			require.NotEmpty(t, value.Description, "%s of enum %s has no description", value.Name, name)
			require.Regexp(t, `^[A-Z][A-Z0-9_]*$`, value.Name, "the reader of enums relies on upper case")
		}
	}
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		for _, field := range root.Fields {
			if !strings.HasPrefix(field.Name, "__") {
				require.NotEmpty(t, field.Description, "field %s has no description", field.Name)
			}
		}
	}
}

func TestEveryRootFieldSaysWhoMayCallIt(t *testing.T) {
	t.Parallel()
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		for _, field := range root.Fields {
			if strings.HasPrefix(field.Name, "__") {
				continue
			}
			auth := field.Directives.ForName("auth")
			require.NotNil(t, auth, "%s has no @auth", field.Name)
			allowed := auth.Arguments.ForName("allow").Value.String()
			require.NotEqual(t, "[]", allowed, "%s admits nobody", field.Name)
			if strings.Contains(allowed, "API_KEY") && !strings.Contains(allowed, "ANONYMOUS") {
				open := []string{"node", "nodes", "merchant"}
				if scope := auth.Arguments.ForName("scope"); scope == nil {
					require.Contains(t, open, field.Name, "%s admits every API key", field.Name)
				}
			}
		}
	}
}
