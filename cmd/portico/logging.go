package main

import (
	"context"
	"io"
	"log/slog"
	"strings"

	"portico/internal/redact"
)

// logger is how every process logs: whatever is logged anywhere passes redact, and what libraries write to the standard library's log goes
// the same way.
func logger(handler func(io.Writer, *slog.HandlerOptions) slog.Handler, out io.Writer, level slog.Level) *slog.Logger {
	log := slog.New(handler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: redact.Attr}))
	slog.SetDefault(slog.New(strayLog{log.Handler()}))
	return log
}

// strayLog takes what libraries write to the standard library's log, which slog hands on as INFO. net/http's client writes there what a
// receiver sends behind its answer, up to 4 KiB of it each time: it is not ours to keep, and not worth more than a line for those who look
// for it.
type strayLog struct{ slog.Handler }

// Enabled lets everything through: which level it is of is known when it is read.
func (s strayLog) Enabled(context.Context, slog.Level) bool { return true }

// Handle logs a line.
func (s strayLog) Handle(ctx context.Context, r slog.Record) error {
	head, _, unsolicited := strings.Cut(r.Message, " starting with ")
	r.Level = slog.LevelWarn
	if unsolicited {
		r.Level, r.Message = slog.LevelDebug, head
	}
	if !s.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return s.Handler.Handle(ctx, r)
}

func jsonLines(w io.Writer, o *slog.HandlerOptions) slog.Handler { return slog.NewJSONHandler(w, o) }

func textLines(w io.Writer, o *slog.HandlerOptions) slog.Handler { return slog.NewTextHandler(w, o) }
