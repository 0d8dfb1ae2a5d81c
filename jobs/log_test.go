package jobs

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRiversLogSaysWhatIsWrongAndTheRestOnlyWhenDebugging(t *testing.T) {
	t.Parallel()
	written := func(level slog.Level) string {
		var out bytes.Buffer
		log := slog.New(quiet{slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level})}).With("queue", "mail").WithGroup("counts")
		log.Info("counted")
		log.Warn("slow")
		return out.String()
	}
	require.NotContains(t, written(slog.LevelInfo), "counted")
	require.Contains(t, written(slog.LevelInfo), "slow")
	require.Contains(t, written(slog.LevelDebug), "counted")
	require.NotContains(t, written(slog.LevelError), "slow")
}
