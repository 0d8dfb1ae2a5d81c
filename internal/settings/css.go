package settings

import (
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/css"
)

const maxCSS = 16 << 10

// refuseCSS finds what a style sheet of a merchant must not have, "" for nothing: whatever loads something, runs something, or ends the
// element that it stands in. The text is read as browsers read it, token by token, so that no spelling hides; escapes, which are another
// way to spell, are refused altogether.
func refuseCSS(sheet string) string {
	if strings.ContainsAny(sheet, `\`) {
		return "must not contain backslashes"
	}
	if strings.Contains(sheet, "<") {
		return "must not contain <"
	}
	lexer, open := css.NewLexer(parse.NewInputString(sheet)), []css.TokenType{}
	for {
		kind, raw := lexer.Next()
		token := strings.ToLower(string(raw))
		switch kind {
		case css.ErrorToken:
			return unless(errors.Is(lexer.Err(), io.EOF) && len(open) == 0, "must close every bracket that it opens")
		case css.URLToken, css.BadURLToken:
			return "must not contain url()"
		case css.BadStringToken:
			return "must close every quote on the line that opens it"
		case css.CDCToken, css.CDOToken:
			return "must not contain comments of HTML"
		case css.FunctionToken:
			if name := strings.TrimSuffix(token, "("); !slices.Contains(harmless(), name) {
				return "must not contain " + name + "()"
			}
			open = append(open, css.RightParenthesisToken)
		case css.AtKeywordToken:
			if !slices.Contains([]string{"@media", "@supports"}, token) {
				return "must not contain " + token
			}
		case css.IdentToken:
			if slices.Contains([]string{"behavior", "-moz-binding", "javascript", "expression"}, token) {
				return "must not contain " + token
			}
		case css.LeftParenthesisToken:
			open = append(open, css.RightParenthesisToken)
		case css.LeftBracketToken:
			open = append(open, css.RightBracketToken)
		case css.LeftBraceToken:
			open = append(open, css.RightBraceToken)
		case css.RightParenthesisToken, css.RightBracketToken, css.RightBraceToken:
			if len(open) == 0 || open[len(open)-1] != kind {
				return "must close every bracket that it opens"
			}
			open = open[:len(open)-1]
		}
	}
}

// harmless are the functions that load nothing.
func harmless() []string {
	return []string{
		"rgb", "rgba", "hsl", "hsla", "hwb", "lab", "lch", "oklab", "oklch", "color", "color-mix", "light-dark", "calc", "min", "max", "clamp",
		"var", "repeat", "minmax", "fit-content", "linear-gradient", "radial-gradient", "conic-gradient", "repeating-linear-gradient",
		"translate", "translatex", "translatey", "scale", "rotate", "cubic-bezier", "steps", "not", "is", "where", "has", "nth-child",
		"nth-last-child", "nth-of-type", "blur", "brightness", "contrast", "drop-shadow", "opacity", "saturate", "grayscale",
	}
}
