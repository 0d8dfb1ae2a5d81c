package rest

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the pages and their style
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"portico/internal/billing"
	"portico/internal/catalog"
	"portico/internal/portal"
	"portico/internal/settings"
)

//go:embed page.html
var pageSource string

//go:embed page.css
var style string

var pages = template.Must(template.New("pages").Funcs(template.FuncMap{
	"style": func() template.CSS { return template.CSS(style) }, //nolint:gosec // our own, from the file
	"state": state, "next": next, "price": price, "day": day,
}).Parse(pageSource))

// view is what a page shows; each shows some of it.
type view struct {
	Title   string
	Name    string // of what the title is about, which may be in another script
	Problem string
	Email   string // of the person who is signed in
	Token   string
	Homes   []portal.Home
	Offer   portal.Offer
	Held    []portal.Held
	Cancel  cancellation
	ByToken bool               // customers of the shop cannot ask for a link
	Look    *settings.Settings // of the shop whose page it is; nil for a page of no shop

	// Of a form: where it goes, what was typed, and what is wrong with it, by the names of its fields.
	Action string
	Given  map[string]string
	Wrong  map[string]string
}

// cancellation is what the page to cancel a subscription is about.
type cancellation struct {
	portal.Held
	Shop        string
	Open        bool // there is something to cancel, and the shop lets customers do it
	Later       bool // it can end with the period that is paid for
	NeedsReason bool
}

// Theme is the shop's style sheet, behind ours. What is in it has been checked when it was set. Text is in colors that can be read, whatever
// the shop has chosen: the names that go with --primary, --secondary and --accent say which.
func (v view) Theme() template.CSS {
	if v.Look == nil {
		return ""
	}
	t := v.Look.Theme
	sheet := fmt.Sprintf(":root{--primary:%s;--secondary:%s;--accent:%s;--on-secondary:%s;--on-accent:%s;--heading:%s;--link:%s}body{font-family:%s}\n",
		t.PrimaryColor, t.SecondaryColor, t.AccentColor,
		textOn(t.SecondaryColor), textOn(t.AccentColor), darkened(t.PrimaryColor), darkened(t.AccentColor), t.FontFamily)
	if t.CustomCSS != nil {
		sheet += *t.CustomCSS
	}
	return template.CSS(sheet) //nolint:gosec // checked, as said above
}

// policy lets a page show its own styles and the shop's logo, and nothing else.
func (v view) policy() string {
	policy := "default-src 'none'; style-src " + hashOf(style)
	if theme := v.Theme(); theme != "" {
		policy += " " + hashOf(string(theme))
	}
	if v.Look != nil && v.Look.Theme.LogoURL != nil {
		if logo, err := url.Parse(*v.Look.Theme.LogoURL); err == nil {
			policy += "; img-src https://" + logo.Host
		}
	}
	return policy + "; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

func hashOf(sheet string) string {
	sum := sha256.Sum256([]byte(sheet))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// show writes a page that runs no script, loads nothing but the shop's logo, tells no other page its address, and is kept by nobody.
func show(w http.ResponseWriter, status int, name string, v view) error {
	var page bytes.Buffer
	if err := pages.ExecuteTemplate(&page, name, v); err != nil {
		return fmt.Errorf("show the page %s: %w", name, err)
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", v.policy())
	// The address stays here, as with no-referrer; but with that, browsers say Origin: null of our own forms, which is all that those
	// without Sec-Fetch-Site (and every one over plain http) give sameOrigin to go by.
	header.Set("Referrer-Policy", "strict-origin")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Permissions-Policy", "interest-cohort=()")
	header.Set("X-Robots-Tag", "noindex")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // who asked has gone
	return nil
}

// state says where a subscription stands, for a customer to read.
func state(h portal.Held) string {
	switch h.Status {
	case billing.Trialing:
		return "On trial"
	case billing.Active:
		if h.CancelAtPeriodEnd {
			return "Canceled"
		}
		return "Active"
	case billing.PastDue:
		return "Payment failed"
	case billing.Incomplete:
		return "Waiting for the first payment"
	default:
		return strings.ToUpper(h.Status[:1]) + strings.ToLower(h.Status[1:])
	}
}

// next says what happens next, and when.
func next(h portal.Held) string {
	switch {
	case h.EndedAt != nil:
		return "Ended on " + day(*h.EndedAt)
	case h.CurrentPeriodEnd == nil:
		return ""
	case h.CancelAtPeriodEnd:
		return "Ends on " + day(*h.CurrentPeriodEnd)
	case h.Status == billing.Trialing:
		return "Trial until " + day(*h.CurrentPeriodEnd)
	case h.Status == billing.PastDue && h.AccessUntil != nil:
		return "Access until " + day(*h.AccessUntil)
	default:
		return "Renews on " + day(*h.CurrentPeriodEnd)
	}
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006") }

func price(p catalog.Price) string {
	each := map[catalog.Interval]string{"MONTH": "a month", "YEAR": "a year"}[p.Interval]
	return fmt.Sprintf("%s %s %s", p.Money.Decimal(), p.Money.Currency, each)
}
