package rest

import (
	"net/http"
	"net/url"
	"time"

	"portico/internal/account"
	"portico/internal/credential"
	"portico/internal/fault"
	"portico/internal/portal"
	"portico/internal/secret"
	"portico/internal/settings"
)

// The longest form there is holds a reason in signs of four bytes, each of which is encoded as three.
const maxForm = 8 << 10

func (d *door) pageRoutes(mux *http.ServeMux) {
	page := func(pattern string, h handle) { mux.HandleFunc(pattern, d.guarded(h, d.problem)) }
	page("GET /portal", d.everyHome)
	page("POST /portal", d.sameOrigin(d.askForLink))
	page("GET /portal/login", d.login)
	page("POST /portal/login", d.sameOrigin(d.signIn))
	page("POST /portal/logout", d.sameOrigin(d.signOut))
	page("GET /portal/{shop}", d.home)
	page("POST /portal/{shop}", d.sameOrigin(d.askForLink))
	page("GET /portal/{shop}/{identifier}", d.offer)
	page("GET /portal/{shop}/subscriptions/{id}/cancel", d.cancelPage)
	page("POST /portal/{shop}/subscriptions/{id}/cancel", d.sameOrigin(d.cancel))
}

// problem shows an error as a page.
func (d *door) problem(w http.ResponseWriter, _ *http.Request, err error) {
	first := fault.List(err)[0]
	title := "This did not work"
	if first.Code == fault.CodeNotFound {
		title = "There is no such page"
	}
	if err := show(w, statusOf(first.Code), "problem", view{Title: title, Problem: sentenceOf(first)}); err != nil {
		d.Log.Error("a page broke", "error", err)
	}
}

// sameOrigin refuses what a page of somebody else has the browser send.
func (d *door) sameOrigin(h handle) handle {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := d.origins.Check(r); err != nil {
			return fault.New(fault.CodeForbidden, "", "this request comes from a page of another origin")
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			return fault.Invalid("", "the form cannot be read")
		}
		return h(w, r)
	}
}

// visitor is who looks at a page: by the token of the address or the cookie of a browser that came with one, which are for one shop, or by
// the cookie of a person.
func (d *door) visitor(w http.ResponseWriter, r *http.Request, shop string) (caller account.Caller, known bool, err error) {
	if shop != "" {
		cookie, cookieErr := r.Cookie(portal.BrowserCookie(d.Secure))
		if token := r.URL.Query().Get("token"); token != "" {
			caller, known, err = d.recognize(r, token, shop, account.KindCustomer)
			if err == nil && known {
				err = d.remember(w, r, shop, caller, cookie)
			}
			return caller, known, err
		}
		if cookieErr == nil {
			if caller, known, err = d.recognize(r, cookie.Value, shop, account.KindCustomer); known || err != nil {
				return caller, known, err
			}
		}
	}
	cookie, err := r.Cookie(portal.SessionCookie(d.Secure))
	if err != nil {
		return account.Caller{}, false, nil //nolint:nilerr // no cookie, no visitor
	}
	return d.recognize(r, cookie.Value, shop, account.KindPerson)
}

func (d *door) recognize(r *http.Request, credential, shop string, want account.Kind) (account.Caller, bool, error) {
	caller, err := d.Portal.Authenticate(r.Context(), secret.Text(credential), shop)
	if fault.Is(err, fault.CodeUnauthenticated) || (err == nil && caller.Kind != want) {
		return account.Caller{}, false, nil
	}
	return caller, err == nil, err
}

// remember has the browser of a customer who came with a token stay signed in, unless it is by this token already.
func (d *door) remember(w http.ResponseWriter, r *http.Request, shop string, caller account.Caller, before *http.Cookie) error {
	if before != nil {
		known, is, err := d.recognize(r, before.Value, shop, account.KindCustomer)
		if err != nil || (is && known.PortalTokenID == caller.PortalTokenID) {
			return err
		}
	}
	session, err := d.Portal.BrowserSignIn(r.Context(), caller)
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // as for the other cookie
		Name: portal.BrowserCookie(d.Secure), Value: string(session.Token), Expires: session.ExpiresAt,
		Path: "/portal/" + shop, HttpOnly: true, Secure: d.Secure, SameSite: http.SameSiteLaxMode,
	})
	return nil
}

func (d *door) home(w http.ResponseWriter, r *http.Request) error {
	shop := r.PathValue("shop")
	ask, err := d.askIn(r, shop)
	if err != nil {
		return err
	}
	caller, known, err := d.visitor(w, r, shop)
	if err != nil {
		return err
	}
	if !known {
		status := http.StatusOK
		if r.URL.Query().Has("token") {
			status, ask.Problem = http.StatusUnauthorized, "This link is no longer valid."
		}
		return show(w, status, "ask", ask)
	}
	homes, err := d.Portal.Homes(r.Context(), caller, shop)
	if fault.Is(err, fault.CodeNotFound) {
		return show(w, http.StatusOK, "ask", ask)
	}
	if err != nil {
		return err
	}
	ask.Homes = homes
	return d.showHomes(w, r, ask, caller)
}

func (d *door) everyHome(w http.ResponseWriter, r *http.Request) error {
	caller, known, err := d.visitor(w, r, "")
	if err != nil {
		return err
	}
	if !known {
		return show(w, http.StatusOK, "ask", askAnywhere())
	}
	homes, err := d.Portal.Homes(r.Context(), caller, "")
	if err != nil {
		return err
	}
	return d.showHomes(w, r, view{Title: "Your subscriptions", Homes: homes}, caller)
}

func (d *door) showHomes(w http.ResponseWriter, r *http.Request, v view, caller account.Caller) error {
	if caller.Kind == account.KindPerson {
		person, err := d.Portal.Person(r.Context(), caller)
		if err != nil {
			return err
		}
		v.Email = person.Email
	}
	return show(w, http.StatusOK, "home", v)
}

func (d *door) offer(w http.ResponseWriter, r *http.Request) error {
	shop := r.PathValue("shop")
	caller, known, err := d.visitor(w, r, shop)
	if err != nil {
		return err
	}
	offer, err := d.Portal.Offer(r.Context(), caller, d.member(r), shop, r.PathValue("identifier"))
	if err != nil {
		return err
	}
	look, err := d.Portal.Look(r.Context(), account.Storefront{MerchantID: offer.Product.MerchantID})
	if err != nil {
		return err
	}
	v := view{Title: "Not on sale", Offer: offer, Look: &look}
	if offer.Shown() {
		v.Title, v.Name = "", offer.Product.Name
	}
	if known {
		homes, err := d.Portal.Homes(r.Context(), caller, shop)
		if err != nil && !fault.Is(err, fault.CodeNotFound) {
			return err
		}
		for _, home := range homes {
			for _, held := range home.Subscriptions {
				if held.ProductID == offer.Product.ID && held.Live() {
					v.Held = append(v.Held, held)
				}
			}
		}
	}
	return show(w, http.StatusOK, "offer", v)
}

// member is who is signed in to the dashboard with the same browser, nobody where that cannot be told.
func (d *door) member(r *http.Request) account.Caller {
	cookie, err := r.Cookie(credential.SessionCookie(d.Secure))
	if err != nil {
		return nobody()
	}
	caller, known, err := d.recognize(r, cookie.Value, "", account.KindMember)
	if err != nil || !known {
		return nobody()
	}
	return caller
}

func (d *door) askForLink(w http.ResponseWriter, r *http.Request) error {
	in := portal.LinkSend{Email: r.PostForm.Get("email"), Client: d.Proxies.Address(r)}
	if shop := r.PathValue("shop"); shop != "" {
		in.Shop = &shop
	}
	err := d.record(w, r, nobody(), "portalMagicLinkSend", func() error { return d.Portal.LinkSend(r.Context(), in) })
	if faults := fault.List(err); faults != nil {
		return d.askAgain(w, r, faults)
	}
	if err != nil {
		return err
	}
	return show(w, http.StatusOK, "asked", view{Title: "Look into your mailbox"})
}

// askAgain shows the form for a link again, with what was typed and what is wrong with it.
func (d *door) askAgain(w http.ResponseWriter, r *http.Request, faults fault.Errors) error {
	ask := askAnywhere()
	if shop := r.PathValue("shop"); shop != "" {
		var err error
		if ask, err = d.askIn(r, shop); err != nil {
			return err
		}
	}
	ask.refuse(faults, url.Values{"email": r.PostForm["email"]})
	return show(w, statusOf(faults[0].Code), "ask", ask)
}

// askIn asks who comes to a shop for an e-mail address, if the shop lets customers in by mail. While it is suspended nobody else does.
func (d *door) askIn(r *http.Request, shop string) (view, error) {
	front, err := d.Portal.Storefront(r.Context(), shop)
	if err != nil {
		return view{}, err
	}
	look, err := d.Portal.Look(r.Context(), front)
	if err != nil {
		return view{}, err
	}
	return view{
		Title: "Your subscriptions with", Name: front.Name, Action: "/portal/" + front.Shop, Look: &look,
		ByToken: look.Authentication.Method == settings.Token && !front.Suspended,
	}, nil
}

func askAnywhere() view { return view{Title: "Your subscriptions", Action: "/portal"} }

// login leads to signIn and does nothing itself: programs that look at mails follow links.
func (d *door) login(w http.ResponseWriter, r *http.Request) error {
	return show(w, http.StatusOK, "login", view{Title: "Your subscriptions", Token: r.URL.Query().Get("token")})
}

func (d *door) signIn(w http.ResponseWriter, r *http.Request) error {
	var session portal.PersonSession
	err := d.record(w, r, nobody(), "personSignIn", func() (err error) {
		session, err = d.Portal.PersonSignIn(r.Context(), secret.Text(r.PostForm.Get("token")))
		return err
	})
	if fault.Is(err, fault.CodeUnauthenticated) {
		ask := askAnywhere()
		ask.Title, ask.Problem = "This link is no longer valid", "It works once and for 15 minutes. Ask for a new one."
		return show(w, http.StatusUnauthorized, "ask", ask)
	}
	if err != nil {
		return err
	}
	http.SetCookie(w, d.cookie(string(session.Token), session.ExpiresAt))
	to := "/portal"
	if session.Shop != nil {
		to += "/" + *session.Shop
	}
	http.Redirect(w, r, to, http.StatusSeeOther) // a link of an unknown shop is never mailed
	return nil
}

func (d *door) signOut(w http.ResponseWriter, r *http.Request) error {
	caller, known, err := d.visitor(w, r, "")
	if err != nil {
		return err
	}
	if known {
		err := d.record(w, r, caller, "personSignOut", func() error { return d.Portal.PersonSignOut(r.Context(), caller) })
		if err != nil {
			return err
		}
	}
	http.SetCookie(w, d.cookie("", time.Unix(1, 0)))
	http.Redirect(w, r, "/portal", http.StatusSeeOther)
	return nil
}

func nobody() account.Caller { return account.Caller{Kind: account.KindAnonymous} }

func (d *door) cookie(value string, expires time.Time) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // Secure is left out over plain http only, where browsers would drop the cookie
		Name: portal.SessionCookie(d.Secure), Value: value, Expires: expires,
		Path: "/", HttpOnly: true, Secure: d.Secure, SameSite: http.SameSiteLaxMode,
	}
}
