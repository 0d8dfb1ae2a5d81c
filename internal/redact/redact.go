// Package redact owns what is taken out of a text before it is logged or kept as an error: credentials, addresses, and the values that
// other libraries repeat in their errors.
package redact

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
)

var (
	// What a secret of ours looks like, wherever it stands.
	credential = regexp.MustCompile(`ptc_[a-z]{2}_(?:live|test)_[0-9A-Za-z]+|whsec_[0-9A-Za-z+/=_-]+|\$argon2id\$[^\s"]+|` +
		`eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?|(?i:\b(?:bearer|basic)\s+)[^\s"]+`)
	userinfo = regexp.MustCompile(`://[^/\s"]*@`)
	query    = regexp.MustCompile(`(https?://[^\s"?#]*)[?#][^\s"]*`)
	mailbox  = regexp.MustCompile(`[^\s"'<>(){}\[\]=,:;&?\\/@]+(?:@|%40)[\pL\pN.-]+\.\pL{2,}`)

	// Where errors repeat a value: Postgres those that a type does not take (class 22), pgx those that it cannot encode, and the
	// standard library those that it cannot parse.
	data     = regexp.MustCompile(`(?s)(\p{Lu}+: ).*?(\(SQLSTATE 22\w{3}\))`)
	encoding = regexp.MustCompile(`(?s)(unable to encode ).*?( into (?:text|binary) format)`)
	parsing  = regexp.MustCompile(`((?:\bpars(?:e|ing)|\bparsing time|\bParseAddr\(|\bParsePrefix\() ?)(?:"(?:[^"\\]|\\.)*"|` + "`[^`]*`" + `)`)
)

const hidden = "[redacted]"

// Text is the text without what nobody may read in a log.
func Text(text string) string {
	text = data.ReplaceAllString(text, "${1}"+hidden+" ${2}")
	text = encoding.ReplaceAllString(text, "${1}"+hidden+"${2}")
	text = parsing.ReplaceAllString(text, "${1}"+hidden)
	text = credential.ReplaceAllString(text, hidden)
	text = userinfo.ReplaceAllString(text, "://"+hidden+"@")
	text = query.ReplaceAllString(text, "${1}?"+hidden)
	return mailbox.ReplaceAllString(text, hidden)
}

// Attr is for slog.HandlerOptions: every message and every value that is logged passes it.
func Attr(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(Text(a.Value.String()))
	case slog.KindAny:
		a.Value = object(a.Value)
	}
	return a
}

func object(value slog.Value) slog.Value {
	switch of := value.Any().(type) {
	case nil, slog.Level, *slog.Source:
		return value
	case error:
		return slog.StringValue(Text(of.Error()))
	default:
		encoded, err := json.Marshal(of)
		if err != nil {
			return slog.StringValue(Text(fmt.Sprint(of)))
		}
		if shown := Text(string(encoded)); shown != string(encoded) {
			return slog.StringValue(shown)
		}
		return value
	}
}

// Error is an error whose text is without what nobody may read where errors are kept. It stays what it is for errors.Is and errors.As.
func Error(err error) error {
	if err == nil {
		return nil
	}
	return redacted{err}
}

type redacted struct{ err error }

func (r redacted) Error() string { return Text(r.err.Error()) }

func (r redacted) Unwrap() error { return r.err }

// Panic panics with the redacted text of what has been recovered.
func Panic(recovered any) {
	if recovered != nil {
		panic(Text(fmt.Sprint(recovered)))
	}
}
