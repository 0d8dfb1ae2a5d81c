package graph_test

import (
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"portico/graph"
)

func TestTheDoorPassesEveryAuditOfGraphQLOverHTTP(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, graph.Options{Introspection: graph.IntrospectionAll}) // which the audits ask for
	command := exec.CommandContext(t.Context(), "node", "audits.mjs", w.server.URL+"/graphql")
	command.Dir = "testdata/audits"
	printed, err := command.Output()
	require.NoError(t, err, "`make test` installs what it needs")
	var audits []struct{ ID, Name, Status, Reason string }
	require.NoError(t, json.Unmarshal(printed, &audits))
	require.Len(t, audits, 61)
	for _, audit := range audits {
		require.Equal(t, "ok", audit.Status, "%s %s: %s", audit.ID, audit.Name, audit.Reason)
	}
}
