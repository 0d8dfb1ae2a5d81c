package mail

import (
	_ "embed" // the two layouts
	"errors"
	"fmt"
	htmltemplate "html/template"
	"net/url"
	"strings"
	texttemplate "text/template"
	"unicode"

	"portico/internal/secret"
)

// What goes into a sentence of ours from somebody else is cut to this many characters.
const longestInsert = 200

// letter is what a mail says, before it is laid out: sentences are written once, for text and HTML alike.
type letter struct {
	kind    Kind
	subject string
	before  []string // paragraphs above the button
	button  string
	link    secret.Text
	after   []string // paragraphs below it
}

// text is a mail as it is sent.
type text struct {
	Subject string `json:"subject"`
	Text    string `json:"text"`
	HTML    string `json:"html"`
}

//go:embed templates/letter.txt
var plainSource string

//go:embed templates/letter.html
var htmlSource string

var (
	plainLayout = texttemplate.Must(texttemplate.New("letter").Parse(plainSource))
	htmlLayout  = htmltemplate.Must(htmltemplate.New("letter").Parse(htmlSource))
)

func (l letter) write() (text, error) {
	address, err := url.Parse(string(l.link))
	if err != nil || (address.Scheme != "https" && address.Scheme != "http") || address.Host == "" {
		// Neither the link nor the parser's error, which repeats it: it may hold a token.
		return text{}, errors.New("the link is no absolute http or https address")
	}
	shown := struct {
		Subject       string
		Before, After []string
		Button, Link  string
	}{l.subject, l.before, l.after, l.button, address.String()}
	var plain, html strings.Builder
	if err := plainLayout.Execute(&plain, shown); err != nil {
		return text{}, fmt.Errorf("lay out the text: %w", err)
	}
	if err := htmlLayout.Execute(&html, shown); err != nil {
		return text{}, fmt.Errorf("lay out the HTML: %w", err)
	}
	return text{Subject: l.subject, Text: plain.String(), HTML: html.String()}, nil
}

// clean makes one line of what somebody else has written, short enough that the sentence around it stays ours.
func clean(insert string) string {
	insert = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		// Controls, and the format characters with which a text can hide or turn around what follows it.
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(insert, "\uFFFD"))
	insert = strings.Join(strings.Fields(insert), " ")
	if runes := []rune(insert); len(runes) > longestInsert {
		return string(runes[:longestInsert-1]) + "…"
	}
	return insert
}
