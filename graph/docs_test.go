package graph_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2"

	"portico/graph"
)

func TestTheOperationsOfTheDocumentationCanBePasted(t *testing.T) {
	t.Parallel()
	schema := graph.NewExecutableSchema(graph.Config{}).Schema()
	block := regexp.MustCompile("(?ms)^```graphql\n(.*?)^```$")
	found := 0
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == "node_modules":
			return fs.SkipDir
		case !strings.HasSuffix(path, ".md"):
			return nil
		}
		page, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, match := range block.FindAllStringSubmatch(string(page), -1) {
			found++
			_, refused := gqlparser.LoadQueryWithRules(schema, match[1], nil)
			require.Empty(t, refused, "%s: %s", path, match[1])
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, found, 10)
}
