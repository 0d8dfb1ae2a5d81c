package secret

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Text is a secret in memory. It prints and logs as [redacted]; string(t) is the secret itself.
type Text string

// String implements fmt.Stringer.
func (Text) String() string { return redacted }

// Format implements fmt.Formatter: a verb that does not fit, such as %d, would print the secret in its complaint otherwise.
func (Text) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, redacted) }

// LogValue implements slog.LogValuer.
func (Text) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps secrets out of JSON, logs and error reports.
func (Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText reads a secret from configuration.
func (t *Text) UnmarshalText(text []byte) error {
	*t = Text(text)
	return nil
}
