package rest

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"portico/internal/account"
	"portico/internal/audit"
	"portico/internal/billing"
	"portico/internal/fault"
)

// endNow is what the form says for a subscription that is not to run to the end of what is paid for.
const endNow = "now"

func (d *door) cancelPage(w http.ResponseWriter, r *http.Request) error {
	return d.atCancel(w, r, func(_ account.Caller, v view) error { return showCancel(w, v, nil) })
}

// cancel does what subscriptionCancel does, for who is signed in on the pages.
func (d *door) cancel(w http.ResponseWriter, r *http.Request) error {
	return d.atCancel(w, r, func(caller account.Caller, v view) error { return d.cancelOf(w, r, caller, v) })
}

// atCancel leads who is not signed in to the shop, and others to the page about the subscription of the address.
func (d *door) atCancel(w http.ResponseWriter, r *http.Request, do func(account.Caller, view) error) error {
	caller, known, err := d.visitor(w, r, r.PathValue("shop"))
	if err != nil {
		return err
	}
	if !known {
		return d.toShop(w, r)
	}
	v, err := d.cancelView(r, caller)
	if err != nil {
		return err
	}
	return do(caller, v)
}

func (d *door) cancelOf(w http.ResponseWriter, r *http.Request, caller account.Caller, v view) error {
	reason := r.PostForm.Get("reason")
	in := billing.Cancel{SubscriptionID: v.Cancel.ID, AtPeriodEnd: r.PostForm.Get("when") != endNow}
	if strings.TrimSpace(reason) != "" {
		in.Reason = &reason
	}
	ctx := r.Context()
	err := d.Audit.Record(ctx, caller, d.act(w, r, "subscriptionCancel"), func() (audit.Result, error) {
		_, err := d.Portal.Billing.Cancel(ctx, caller, in)
		return audit.Result{Object: "gid://portico/CustomerSubscription/" + strconv.FormatInt(in.SubscriptionID, 10)}, err
	})
	if faults := fault.List(err); faults != nil {
		v.refuse(faults, url.Values{"reason": {reason}, "when": r.PostForm["when"]})
		return showCancel(w, v, faults)
	}
	if err != nil {
		return err
	}
	return d.toShop(w, r)
}

// cancelView is the page about the subscription of the address: NOT_FOUND for one that the visitor does not pay for.
func (d *door) cancelView(r *http.Request, caller account.Caller) (view, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return view{}, fault.NotFound("subscription", "subscription")
	}
	home, held, err := d.Portal.Held(r.Context(), caller, r.PathValue("shop"), id)
	if err != nil {
		return view{}, err
	}
	if !held.Payer {
		return view{}, fault.NotFound("subscription", "subscription")
	}
	look, err := d.Portal.Look(r.Context(), home.Storefront)
	if err != nil {
		return view{}, err
	}
	v := view{Title: "Cancel", Name: held.Product.Name, Look: &look, Cancel: cancellation{
		Held: held, Shop: home.Storefront.Shop, Open: home.MayCancel(held), Later: held.CanEndLater(d.Portal.Now()),
		NeedsReason: look.RequireCancellationReason && !look.Suspended,
	}}
	return v, nil
}

// showCancel shows the form, or in its place that there is nothing to cancel.
func showCancel(w http.ResponseWriter, v view, faults fault.Errors) error {
	status := http.StatusOK
	if faults != nil {
		status = statusOf(faults[0].Code)
	}
	return show(w, status, "cancel", v)
}

// toShop leads to the page of the shop, which shows what is so now, or how to sign in.
func (d *door) toShop(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, "/portal/"+url.PathEscape(r.PathValue("shop")), http.StatusSeeOther)
	return nil
}
